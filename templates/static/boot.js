(async () => {
  "use strict";
  document.documentElement.dataset.started = "true";
  try {
    const text = document.getElementById("library").textContent;
    const packed = Uint8Array.fromBase64
      ? Uint8Array.fromBase64(text)
      : Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    // The words of the page are read while the charts are made. A page out of sight paints nothing.
    const painted = new Promise((resume) => {
      requestAnimationFrame(() => setTimeout(resume));
      setTimeout(resume, 100);
    });
    const [specs, ...scripts] = (await new Response(stream).text()).split("\u0000");
    await painted;
    document.getElementById("specs").textContent = specs;
    for (const code of scripts) {
      const script = document.createElement("script");
      script.textContent = code;
      document.head.append(script);
    }
  } catch (error) {
    const note = document.getElementById("note");
    note.hidden = false;
    note.textContent =
      "The charts of this report could not be opened: " +
      error.message +
      ". They need a browser from 2023 or later; the findings and tables below do not.";
  }
})();
