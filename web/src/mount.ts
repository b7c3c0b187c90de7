/** A view record put into an element, or a sentence that says why it is not drawn. */
import { mount, unmount } from "svelte";
import Frame from "./parts/Frame.svelte";
import { decodeView, Refusal } from "./record/decode";

export interface Shown {
  isDrawn: boolean;
  remove: () => void;
}

export async function show(record: unknown, target: HTMLElement): Promise<Shown> {
  target.classList.add("iw-live");
  try {
    const view = await decodeView(record);
    const component = mount(Frame, { target, props: { view } });
    return { isDrawn: true, remove: () => void unmount(component) };
  } catch (problem) {
    const sentence = problem instanceof Refusal ? problem.message : `This view could not be read: ${problem instanceof Error ? problem.message : problem}.`;
    const note = document.createElement("p");
    note.className = "iw-note iw-refusal";
    note.setAttribute("role", "note");
    note.textContent = sentence;
    target.replaceChildren(note);
    return { isDrawn: false, remove: () => note.remove() };
  }
}
