import { useRef, useState } from "react";
import type { ShownImage } from "../state/images";
import { Close } from "./icons";
import { usePicture } from "./usePicture";

/** The images of a message, small; each opens large. */
export function MessageImages({ images }: { images: readonly ShownImage[] }) {
  if (images.length === 0) return null;
  return (
    <ul className="message-images" aria-label={images.length === 1 ? "Attached image" : `${images.length} attached images`} data-testid="message-images">
      {images.map((image, at) => (
        // A message's images never change places, and one may be shown twice.
        // oxlint-disable-next-line react/no-array-index-key
        <li key={at}>
          <Picture image={image} name={images.length === 1 ? "Image" : `Image ${at + 1} of ${images.length}`} />
        </li>
      ))}
    </ul>
  );
}

function Picture({ image, name }: { image: ShownImage; name: string }) {
  const { url, gone } = usePicture(image);
  const [open, setOpen] = useState(false);
  const [broken, setBroken] = useState(false);
  if (gone || broken) return <span className="picture-missing">{gone ? "This image was deleted." : "This image cannot be shown."}</span>;
  if (url === null) return <span className="picture-missing" data-loading role="img" aria-label={`${name}, loading`} />;
  return (
    <>
      <button type="button" className="picture" aria-label={`${name}: show it large`} data-testid="message-image" onClick={() => setOpen(true)}>
        <img src={url} alt={name} onError={() => setBroken(true)} />
      </button>
      {open && <Large url={url} name={name} onClose={() => setOpen(false)} />}
    </>
  );
}

/** Escape, the button, or a press beside the image closes it; the focus returns to where it was. */
function Large({ url, name, onClose }: { url: string; name: string; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement | null>(null);
  return (
    <dialog
      className="large-picture"
      aria-label={name}
      data-testid="large-image"
      ref={(element) => {
        dialog.current = element;
        if (element?.isConnected && !element.open) element.showModal();
      }}
      onClose={onClose}
      onClick={(event) => {
        if (!(event.target instanceof HTMLImageElement)) dialog.current?.close();
      }}
    >
      <button type="button" className="icon-button" aria-label="Close" onClick={() => dialog.current?.close()}>
        <Close />
      </button>
      <img src={url} alt={name} />
    </dialog>
  );
}
