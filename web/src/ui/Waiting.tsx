import { useEffect, useState } from "react";
import { pickedModel } from "../state/app";
import type { QueuePosition, ResponseState } from "../state/response";
import type { Send } from "../state/send";
import type { Model } from "../state/types";
import { useApp, useAppState } from "./context";

const LOOK_MS = 1_000;
/** Queues are passed at once as a rule; only a wait that lasts is worth a word. */
const QUEUED_MS = 1_500;

interface WaitingProps {
  send?: Send;
  response?: ResponseState;
  model?: string;
}

/** Between the question and the first word: what is being waited for, or just that someone is at it. */
export function Waiting({ send, response, model: modelId }: WaitingProps) {
  const { models } = useApp();
  const connected = useAppState((state) => state.connection.phase === "open");
  const id = modelId ?? send?.body.model;
  const model = useAppState((state) => state.models.find((one) => one.id === id) ?? pickedModel(state));

  // A model may begin to load only when it is asked for.
  useEffect(() => {
    const timer = setInterval(() => void models.load().catch(() => undefined), LOOK_MS);
    return () => clearInterval(timer);
  }, [models]);

  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), QUEUED_MS);
    return () => clearTimeout(timer);
  }, []);

  const words = wordsOf(send, response, model, connected) ?? (late && response?.status === "queued" ? "Waiting in the queue" : null);
  return (
    <div className="waiting" data-testid="typing">
      <span className="dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      {words !== null && <span className="faint">{words}</span>}
    </div>
  );
}

function wordsOf(send: Send | undefined, response: ResponseState | undefined, model: Model | undefined, connected: boolean): string | null {
  if (send !== undefined && !connected) return "Will be sent when the connection is back";
  if (response?.position) return `Waiting in the queue: ${queueWords(response.position)}`;
  if (model === undefined || model.state.status === "ready") return null;
  const percent = model.state.progress === null ? "" : ` ${Math.round(model.state.progress * 100)} %`;
  if (model.state.status === "downloading") return `Downloading the model…${percent}`;
  return model.state.status === "loading" ? `Loading the model…${percent}` : null;
}

/** The place, and how long it may take where the server can tell: roughly, as it is a guess. */
export function queueWords({ place, waitMs }: QueuePosition): string {
  if (waitMs === null || waitMs <= 0) return `place ${place}`;
  const seconds = Math.ceil(waitMs / 1_000);
  if (seconds < 60) return `place ${place}, about ${seconds < 10 ? seconds : Math.round(seconds / 5) * 5} s`;
  return `place ${place}, about ${Math.round(seconds / 60)} min`;
}
