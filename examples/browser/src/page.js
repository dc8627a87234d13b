import { drawCurve, drawSlice } from "./draw.js";

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
const losses = [];
let shown = null;

function show(volume) {
  shown = volume;
  const position = $("position");
  position.max = String(volume.shape[2] - 1);
  position.value = String(Math.floor(volume.shape[2] / 2));
  drawSlice($("slice"), volume, Number(position.value));
}

function failed(message) {
  $("error").textContent = message;
  $("status").textContent = "Stopped.";
}

/** For a program that opened the page with `?report=<address>`: what happened, as JSON. */
function report(what) {
  const to = query.get("report");
  if (to) fetch(to, { method: "POST", body: JSON.stringify(what) });
}

const heard = {
  engine: ({ text }) => {
    $("engine").textContent = text;
  },
  step: ({ step, steps, loss, seconds }) => {
    losses.push(loss);
    $("progress").value = step / steps;
    const left = Math.ceil((steps - step) * seconds);
    $("status").textContent =
      `Step ${step} of ${steps}, loss ${loss.toFixed(4)}, ${(1 / seconds).toFixed(1)} steps/s, about ${left} s left`;
    drawCurve($("curve"), losses);
  },
  trained: ({ before, after, volume }) => {
    $("status").textContent =
      `Trained. Mean Dice on a phantom that training has not seen: ${before.toFixed(3)} before, ${after.toFixed(3)} after.`;
    show(volume);
    const volumeAt = query.get("volume");
    if (volumeAt) fetch(volumeAt).then(async (r) => segment(await r.arrayBuffer(), volumeAt));
  },
  segmented: ({ name, seconds, volume }) => {
    $("status").textContent = `${name}: ${volume.shape.join(" × ")} voxels in ${seconds.toFixed(1)} s`;
    $("caption").textContent = name;
    show(volume);
  },
  file: ({ bytes }) => {
    const link = Object.assign(document.createElement("a"), {
      href: URL.createObjectURL(new Blob([bytes], { type: "application/gzip" })),
      download: "phantom.nii.gz",
    });
    link.click();
    URL.revokeObjectURL(link.href);
  },
  error: ({ message }) => failed(message),
};

const log = [];
worker.onmessage = ({ data }) => {
  heard[data.type](data);
  const { volume, bytes, ...rest } = data;
  log.push(volume ? { ...rest, shape: volume.shape, classes: [...new Set(volume.labels)].sort() } : rest);
  const last = query.get("volume") ? "segmented" : "trained";
  if (data.type === last || data.type === "error") report(log);
};
worker.onerror = (event) => {
  failed(event.message || "the worker could not be loaded");
  report([...log, { type: "error", message: $("error").textContent }]);
};

function train() {
  const form = new FormData($("form"));
  losses.length = 0;
  $("error").textContent = "";
  $("progress").value = 0;
  $("status").textContent = "Starting the engine and making phantoms…";
  const number = (name) => Number(form.get(name));
  worker.postMessage({
    type: "train",
    steps: number("steps"),
    size: number("size"),
    filters: number("filters"),
    engine: form.get("engine"),
  });
}

function segment(bytes, name) {
  $("error").textContent = "";
  $("status").textContent = `${name}: segmenting…`;
  worker.postMessage({ type: "segment", bytes, name }, [bytes]);
}

const segmentFile = async (file) => file && segment(await file.arrayBuffer(), file.name);

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  train();
});
$("position").addEventListener("input", () => shown && drawSlice($("slice"), shown, Number($("position").value)));
$("file").addEventListener("change", () => segmentFile($("file").files[0]));
$("sample").addEventListener("click", (event) => {
  event.preventDefault();
  worker.postMessage({ type: "phantom", size: 64 });
});
const drop = $("drop");
for (const [name, over] of [
  ["dragover", true],
  ["dragleave", false],
  ["drop", false],
])
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", over);
    if (name === "drop") segmentFile(event.dataTransfer.files[0]);
  });

// `?steps=20&size=16&filters=2&engine=wasm&run=1` fills in the form and starts.
for (const name of ["steps", "size", "filters", "engine"]) {
  const value = query.get(name);
  if (value !== null) $("form").elements[name].value = value;
}
if (query.has("run")) train();
