import { useEffect, useState } from "react";
import type { ShownImage } from "../state/images";
import { useApp, useAppState } from "./context";

/** What an <img> can show: `url`, `gone` for ever, or not here yet. Asked for again when the connection is back. */
export function usePicture(image: ShownImage): { url: string | null; gone: boolean } {
  const { pictures } = useApp();
  const connected = useAppState((state) => state.connection.phase === "open");
  const fileId = "fileId" in image ? image.fileId : null;
  const [found, setFound] = useState<{ of: string; url: string | null } | null>(null);
  const done = found !== null && found.of === fileId;

  useEffect(() => {
    if (fileId === null || done) return undefined;
    let wanted = true;
    pictures
      .url(fileId)
      .then((url) => wanted && setFound({ of: fileId, url }))
      .catch(() => undefined);
    return () => {
      wanted = false;
    };
    // `connected` asks again.
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [pictures, fileId, done, connected]);

  if ("url" in image) return { url: image.url, gone: false };
  return { url: done ? found.url : null, gone: done && found.url === null };
}
