import { useApp, useAppState } from "./context";
import { Close } from "./icons";

export function Toasts() {
  const { notices } = useApp();
  const toasts = useAppState((state) => state.toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {toasts.map(({ id, text, undo }) => (
        <div className="toast" key={id} data-testid="toast">
          <span className="toast-text">{text}</span>
          {undo !== undefined && (
            <button
              type="button"
              className="button quiet"
              data-testid="toast-undo"
              onClick={() => {
                notices.dismiss(id);
                undo();
              }}
            >
              Undo
            </button>
          )}
          <button type="button" className="icon-button" aria-label="Dismiss" onClick={() => notices.dismiss(id)}>
            <Close />
          </button>
        </div>
      ))}
    </div>
  );
}
