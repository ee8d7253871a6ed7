/**
 * Makes one DOM tree equal to another by changing only what differs. Text that grows is appended to its node, so a
 * selection in a streaming answer survives, and the browser lays out little.
 */
export function morph(target: Node, source: Node): void {
  const wanted = [...source.childNodes];
  wanted.forEach((node, at) => {
    const held = target.childNodes[at];
    if (held === undefined) target.appendChild(node);
    else if (!same(held, node)) target.replaceChild(node, held);
    else if (held instanceof Text) setText(held, (node as Text).data);
    else {
      syncAttributes(held as Element, node as Element);
      morph(held, node);
    }
  });
  while (target.childNodes.length > wanted.length) target.lastChild?.remove();
}

const same = (a: Node, b: Node): boolean => a.nodeType === b.nodeType && a.nodeName === b.nodeName;

function setText(held: Text, text: string): void {
  if (text === held.data) return;
  if (text.startsWith(held.data)) held.appendData(text.slice(held.length));
  else held.data = text;
}

function syncAttributes(held: Element, wanted: Element): void {
  for (const name of held.getAttributeNames()) if (!wanted.hasAttribute(name)) held.removeAttribute(name);
  for (const { name, value } of wanted.attributes) if (held.getAttribute(name) !== value) held.setAttribute(name, value);
}
