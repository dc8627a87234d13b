/** What the tutorials share: pictures of volumes, line charts, and a trained run ready to be looked into. */
export { chartSvg } from "./chart.mjs";
export { panelsSvg } from "./panels.mjs";
export {
  channelOf,
  contourPaths,
  greyPicture,
  heatPicture,
  labelPicture,
  largestClass,
  largestPlane,
  planeOf,
} from "./picture.mjs";
export { pngBytes, pngDataUri } from "./png.mjs";
export { openRun } from "./run.mjs";
export { writePicture } from "./write-picture.mjs";
