import mark from "./favicon.svg";

export function Logo() {
  return (
    <span className="logo">
      <img src={mark} alt="" width="26" height="26" />
      Tertulia
    </span>
  );
}
