// Work that takes a while: asked for, followed to its end, given up.

import { ask, events } from "./api.js";

/** Asks for a job and hands over each state of it; throws the line that says why there is no result. */
export async function follow(request, seen, signal) {
  const queued = await ask("POST", "/api/jobs", request, signal);
  seen(queued);
  for await (const state of events("GET", `/api/jobs/${queued.id}/events`, undefined, signal)) {
    if (state.state === "failed") throw new Error(state.error);
    if (state.state === "cancelled") throw new Error("cancelled");
    seen(state);
    if (state.state === "done") return state.result;
  }
  throw new Error("the server ended; the job goes on with the next one");
}

export const cancel = (id) => ask("DELETE", `/api/jobs/${id}`);

/** What a job does now, in words. */
export function activity(state, started) {
  const seconds = Math.round((performance.now() - started) / 1000);
  return `${state.progress?.activity ?? (state.state === "queued" ? "waiting" : "beginning")} · ${seconds} s`;
}
