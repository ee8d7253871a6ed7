import { pickedModel } from "../state/app";
import type { Model } from "../state/types";
import { useApp, useAppState } from "./context";
import { Check, ChevronDown } from "./icons";
import { Menu, MenuItem } from "./Menu";

/** What keeps a model from answering at once; null when nothing does. */
export function modelStateText({ state }: Model): string | null {
  const progress = state.progress === null ? "" : ` ${Math.round(state.progress * 100)} %`;
  switch (state.status) {
    case "ready":
      return null;
    case "downloading":
      return `Downloading…${progress}`;
    case "loading":
      return `Loading…${progress}`;
    case "absent":
      return state.detail ?? "Not downloaded";
    case "failed":
      return state.detail === null ? "Failed to load" : `Failed: ${state.detail}`;
  }
}

export function ModelPicker() {
  const { models, account, notices } = useApp();
  const all = useAppState((state) => state.models);
  const picked = useAppState(pickedModel);
  if (picked === undefined) return <span className="faint" data-testid="model-picker">No model</span>;
  const state = modelStateText(picked);
  return (
    <Menu
      name="model-menu"
      label={`Model: ${picked.name}`}
      testId="model-picker"
      onToggle={(open) => models.setPickerOpen(open)}
      button={
        <>
          <span className="model-name">{picked.name}</span>
          {state !== null && <span className="model-state">{state}</span>}
          <ChevronDown />
        </>
      }
    >
      {all.map((model) => {
        const unusable = model.state.status === "absent" || model.state.status === "failed";
        const words = modelStateText(model);
        return (
          <MenuItem
            key={model.id}
            checked={model.id === picked.id}
            disabled={unusable}
            testId="model-option"
            onSelect={() => {
              account.save({ default_model: model.id }).catch((error: unknown) => notices.failure("The model could not be chosen", error));
            }}
          >
            <span className="model-option">
              <span className="model-name">{model.name}</span>
              <small className="faint">{words ?? model.owned_by}</small>
              {model.state.status === "downloading" && model.state.progress !== null && (
                <progress max={1} value={model.state.progress} aria-label={`${model.name} is downloading`} />
              )}
            </span>
            {model.id === picked.id && <Check />}
          </MenuItem>
        );
      })}
    </Menu>
  );
}
