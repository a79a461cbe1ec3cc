import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createDwell, type Dwell } from "../src/dwell.js";

let listeners: Record<string, () => void>;
let page: { visibilityState: string; hasFocus: () => boolean };
let views: [string, string, number][];
let dwell: Dwell;

const change = (visible: boolean, focused: boolean): void => {
  page.visibilityState = visible ? "visible" : "hidden";
  page.hasFocus = () => focused;
  listeners["visibilitychange"]!();
};
const pass = (seconds: number): unknown => vi.advanceTimersByTime(seconds * 1000);

beforeEach(() => {
  vi.useFakeTimers();
  [listeners, views, page] = [{}, [], { visibilityState: "visible", hasFocus: () => true }];
  vi.stubGlobal("addEventListener", (type: string, listener: () => void) => (listeners[type] = listener));
  dwell = createDwell(page as unknown as Document, (...view) => views.push(view));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("measures only while the page is visible and has the focus", () => {
  dwell.start("post", "post-123");
  pass(10);
  change(false, false);
  pass(100);
  change(true, false);
  pass(1000);
  change(true, true);
  pass(2.5);
  dwell.stop("post", "post-123");
  expect(views).toEqual([["post", "post-123", 12.5]]);
});

it("measures several things at once, each from its own start", () => {
  dwell.start("post", "a");
  pass(1);
  dwell.start("post", "b");
  pass(1);
  dwell.stop("post", "a");
  pass(1);
  dwell.stopAll();
  expect(views).toEqual([
    ["post", "a", 2],
    ["post", "b", 2],
  ]);
});

it("tracks nothing for a stop without a start", () => {
  dwell.stop("post", "a");
  dwell.start("post", "a");
  dwell.stop("post", "a");
  dwell.stop("post", "a");
  expect(views).toEqual([["post", "a", 0]]);
});

it("tracks a day at most, the longest duration that the service accepts", () => {
  dwell.start("post", "a");
  pass(200_000);
  dwell.stop("post", "a");
  expect(views).toEqual([["post", "a", 86_400]]);
});
