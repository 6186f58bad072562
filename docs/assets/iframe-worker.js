// Browsers start no worker for a page that is opened from disk. A hidden frame takes its place, so that the search works.
if (location.protocol === "file:") {
  window.IFrameWorker = window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      this.ready = new Promise((loaded) => frame.addEventListener("load", loaded, { once: true })).then(() => {
        this.inner = frame.contentWindow;
        this.inner.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
        const script = frame.contentDocument.createElement("script");
        script.src = url;
        frame.contentDocument.body.appendChild(script);
        return new Promise((loaded) => script.addEventListener("load", loaded, { once: true }));
      });
      document.documentElement.appendChild(frame);
    }
    postMessage(data) {
      this.ready.then(() => this.inner.dispatchEvent(new MessageEvent("message", { data })));
    }
  };
}
