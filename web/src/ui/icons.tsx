/** Line icons on a 20-unit grid, drawn for this client; they take the colour of the text around them. */
import type { ReactNode } from "react";

function icon(shape: ReactNode) {
  return function Icon() {
    return (
      <svg className="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
        {shape}
      </svg>
    );
  };
}

export const ArrowDown = icon(<path d="M10 4v12m-5-5 5 5 5-5" />);
export const ArrowUp = icon(<path d="M10 16V4m-5 5 5-5 5 5" />);
export const Check = icon(<path d="m4.5 10.5 3.5 3.5 7.5-8" />);
export const ChevronDown = icon(<path d="m5.5 8 4.5 4.5L14.5 8" />);
export const ChevronLeft = icon(<path d="M12 5.5 7.5 10l4.5 4.5" />);
export const ChevronRight = icon(<path d="M8 5.5 12.5 10 8 14.5" />);
export const Close = icon(<path d="m5 5 10 10M15 5 5 15" />);
export const Copy = icon(
  <>
    <rect x="7" y="7" width="9.5" height="9.5" rx="2" />
    <path d="M13 7V5.5a2 2 0 0 0-2-2H5.5a2 2 0 0 0-2 2V11a2 2 0 0 0 2 2H7" />
  </>,
);
export const Key = icon(
  <>
    <circle cx="6.5" cy="13.5" r="3" />
    <path d="m8.7 11.3 7.3-7.3m-2.5 2.5 2 2m-4.5.5 1.5 1.5" />
  </>,
);
export const Lock = icon(
  <>
    <rect x="4.5" y="9" width="11" height="7.5" rx="2" />
    <path d="M7 9V6.5a3 3 0 0 1 6 0V9" />
  </>,
);
export const Menu = icon(<path d="M3.5 6h13M3.5 10h13M3.5 14h9" />);
export const Monitor = icon(
  <>
    <rect x="3" y="4" width="14" height="9.5" rx="1.5" />
    <path d="M7.5 16.5h5" />
  </>,
);
export const Moon = icon(<path d="M16.2 12.2A6.7 6.7 0 0 1 7.8 3.8a6.7 6.7 0 1 0 8.4 8.4Z" />);
export const NewChat = icon(
  <>
    <path d="M10 4H6a2 2 0 0 0-2 2v8a2 2 0 0 0 2 2h8a2 2 0 0 0 2-2v-4" />
    <path d="m8.5 11.5.400-2.3 6-6a1.34 1.34 0 0 1 1.9 1.9l-6 6Z" />
  </>,
);
export const Pencil = icon(<path d="m4 16 .7-3.5 8.6-8.6a1.7 1.7 0 0 1 2.4 0l.4.4a1.7 1.7 0 0 1 0 2.4l-8.6 8.6Z" />);
export const Picture = icon(
  <>
    <rect x="3" y="4" width="14" height="12" rx="2" />
    <circle cx="7.2" cy="8.2" r="1.2" />
    <path d="m3.5 14 3.8-3.6 2.8 2.6 3-3.2 3.6 3.7" />
  </>,
);
export const Regenerate = icon(<path d="M15.8 8.3A6.2 6.2 0 0 0 4.4 7.5M4 4v3.7h3.7M4.2 11.7a6.2 6.2 0 0 0 11.4.8M16 16v-3.7h-3.7" />);
export const Search = icon(
  <>
    <circle cx="9" cy="9" r="5" />
    <path d="m13 13 3.5 3.5" />
  </>,
);
export const SignOut = icon(<path d="M8 4H5.5a1.5 1.5 0 0 0-1.5 1.5v9A1.5 1.5 0 0 0 5.5 16H8m4.5-9 3 3-3 3m3-3H8" />);
export const Sliders = icon(
  <>
    <path d="M3.5 6.5h7m4 0h2m-13 7h2m4 0h7" />
    <circle cx="12.5" cy="6.5" r="2" />
    <circle cx="7.5" cy="13.5" r="2" />
  </>,
);
export const Stop = icon(<rect x="5.5" y="5.5" width="9" height="9" rx="1.5" fill="currentColor" />);
export const Sun = icon(
  <>
    <circle cx="10" cy="10" r="3.2" />
    <path d="M10 2.5v1.7m0 11.6v1.7M2.5 10h1.7m11.6 0h1.7M4.7 4.7l1.2 1.2m8.2 8.2 1.2 1.2m0-10.6-1.2 1.2m-8.2 8.2-1.2 1.2" />
  </>,
);
export const Tool = icon(<path d="M12.5 3.8a4 4 0 0 0-3.3 5.3l-5 5a1.2 1.2 0 0 0 1.7 1.7l5-5a4 4 0 0 0 5.1-5.2l-2.3 2.3-2-.5-.500-2Z" />);
export const Trash = icon(<path d="M3.5 5.5h13m-8.5 0V4.3A.8.8 0 0 1 8.8 3.5h2.4a.8.8 0 0 1 .8.8v1.2m-6.5 0 .6 9.5a1.5 1.5 0 0 0 1.5 1.5h4.8a1.5 1.5 0 0 0 1.5-1.5l.6-9.5M8.5 9v4m3-4v4" />);
export const Warning = icon(<path d="M10 3.5 17 16H3L10 3.5ZM10 8v3.5m0 2.2v.1" />);
