/** An ES module for anywidget: `record` is the view as JSON text, drawn anew when it changes. */
import { show, type Shown } from "./mount";
import { parsed } from "./record/decode";
import "./style/live.css";

interface Model {
  get: (name: string) => unknown;
  on: (event: string, listener: () => void) => void;
  off: (event: string, listener: () => void) => void;
}

async function render({ model, el }: { model: Model; el: HTMLElement }): Promise<() => void> {
  let shown: Shown | null = null;
  let turn = 0;
  const draw = async () => {
    const mine = ++turn;
    const place = document.createElement("div");
    const next = await show(parsed(String(model.get("record"))), place);
    if (mine !== turn) return next.remove();
    shown?.remove();
    shown = next;
    el.classList.add("iw");
    el.replaceChildren(place);
  };
  model.on("change:record", draw);
  await draw();
  return () => {
    model.off("change:record", draw);
    turn++;
    shown?.remove();
  };
}

export default { render };
