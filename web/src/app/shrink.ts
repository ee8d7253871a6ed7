/** A camera's photo, made as small as a model looks at it: less to upload, to keep and to pay for. */

/** Models see no more than some 2,000 pixels a side. */
const LONGEST_SIDE = 2048;
/** Smaller files go as they are, whatever their size in pixels. */
const LIGHT_BYTES = 1024 * 1024;
const QUALITY = 0.9;

/** The same image if it is small already, moves, or cannot be drawn here: the server has the last word. */
export async function shrunk(file: File): Promise<Blob> {
  if (file.type === "image/gif" || file.size <= LIGHT_BYTES) return file;
  try {
    const image = await createImageBitmap(file);
    const scale = Math.min(1, LONGEST_SIDE / Math.max(image.width, image.height));
    const canvas = new OffscreenCanvas(Math.round(image.width * scale), Math.round(image.height * scale));
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    image.close();
    // A photo stays JPEG; what may be transparent becomes WebP, or PNG in browsers that write no WebP.
    const type = file.type === "image/jpeg" ? "image/jpeg" : "image/webp";
    const drawn = await canvas.convertToBlob({ type, quality: QUALITY });
    return drawn.size < file.size ? drawn : file;
  } catch {
    return file;
  }
}
