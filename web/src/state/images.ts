/** Images in messages, and those that wait in the composer to be sent. Pure. */
import type { Item, Model, Part } from "./types";

/** Of an upload, by its id; or a data URL, as other clients may send. */
export type ShownImage = { fileId: string } | { url: string };

/** An image in the composer: on its way to the server, there (`fileId`), or refused (`error`). */
export interface Attachment {
  key: string;
  name: string;
  fileId: string | null;
  /** What the server or the network said against it. */
  error: string | null;
  /** The network was away: it goes by itself when that is back. */
  waiting: boolean;
}

/** One press of Send carries no more; the server's own bound is the same. */
export const MAX_IMAGES = 16;

export const imagePart = (image: ShownImage): Part =>
  "fileId" in image
    ? { type: "input_image", file_id: image.fileId, detail: "auto" }
    : { type: "input_image", image_url: image.url, detail: "auto" };

/** What the user showed, in order; addresses of elsewhere are no images of ours, and are never fetched. */
export function imagesIn(items: readonly Item[]): ShownImage[] {
  return items
    .filter((item) => item.role === "user" && Array.isArray(item.content))
    .flatMap((item) => (item.content as Part[]).map(shownImage))
    .filter((image) => image !== null);
}

function shownImage(part: Part): ShownImage | null {
  if (part.type !== "input_image") return null;
  const { file_id: fileId, image_url: url } = part;
  if (typeof fileId === "string") return { fileId };
  return typeof url === "string" && url.startsWith("data:image/") ? { url } : null;
}

export const takesImages = (model: Model | undefined): boolean => model?.capabilities?.images === true;

/** Why the message cannot go yet, in words for the user; null when nothing holds it back. */
export function holdsBack(attachments: readonly Attachment[], model: Model | undefined): string | null {
  if (attachments.length === 0) return null;
  if (!takesImages(model)) return `${model?.name ?? "This model"} takes no images. Remove them, or choose another model.`;
  if (attachments.some((one) => one.waiting)) return "Images will be uploaded when the connection is back.";
  const refused = attachments.find((one) => one.error !== null);
  if (refused !== undefined) return `${refused.name}: ${refused.error}`;
  return attachments.some((one) => one.fileId === null) ? "Uploading…" : null;
}
