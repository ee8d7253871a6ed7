/** The clipboard API exists only on https and localhost; over plain http in a home network the old command serves. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  // Inside an open dialog nothing outside it can take the selection.
  const host = document.querySelector("dialog[open]") ?? document.body;
  host.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
