/** Runs inside an HTML file: every view that the file carries as data takes the place of its static twin. */
import { mount } from "svelte";
import { show } from "./mount";
import Controls from "./parts/Controls.svelte";
import { parsed } from "./record/decode";
import "./style/live.css";

async function begin(): Promise<void> {
  const main = document.querySelector<HTMLElement>("body.iw > main");
  if (main !== null) {
    const place = document.createElement("div");
    place.className = "iw-live";
    main.prepend(place);
    mount(Controls, { target: place });
  }
  for (const data of document.querySelectorAll<HTMLScriptElement>("script.iw-data")) {
    const still = data.previousElementSibling as HTMLElement;
    const place = document.createElement("section");
    place.className = "iw-view";
    still.before(place);
    const shown = await show(parsed(data.textContent!), place);
    if (shown.isDrawn) still.remove();
    data.remove();
  }
  document.documentElement.dataset.iwReady = "";
}

void begin();
