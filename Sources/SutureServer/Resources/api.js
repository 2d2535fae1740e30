// The server's API. Errors carry its one line, and its status.

// A token comes with the link, behind the #, which browsers do not send, or is typed in; it is kept as long as the tab is.
function takeLink() {
  const start = "#token=";
  if (!location.hash.startsWith(start)) return false;
  enter(location.hash.slice(start.length));
  history.replaceState(null, "", location.pathname + location.search);
  return true;
}
takeLink();
addEventListener("hashchange", () => { if (takeLink()) location.reload(); });

export function enter(token) { sessionStorage.setItem("token", token); }

function headers(type) {
  const token = sessionStorage.getItem("token");
  return { ...(type ? { "Content-Type": type } : {}), ...(token ? { Authorization: `Bearer ${token}` } : {}) };
}

async function failure(response) {
  const body = await response.json().catch(() => null);
  const error = new Error(body?.error?.message ?? `the server answered ${response.status}`);
  error.status = response.status;
  return error;
}

/** Saves what is under a path as a file. */
export async function save(path, name) {
  const response = await fetch(path, { headers: headers() });
  if (!response.ok) throw await failure(response);
  const url = URL.createObjectURL(await response.blob());
  const anchor = document.createElement("a");
  Object.assign(anchor, { href: url, download: name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

export async function ask(method, path, body, signal) {
  const isFile = body instanceof Blob;
  const response = await fetch(path, {
    method, signal,
    headers: headers(body === undefined ? null : isFile ? "application/octet-stream" : "application/json"),
    body: body === undefined ? undefined : isFile ? body : JSON.stringify(body),
  });
  if (!response.ok) throw await failure(response);
  return response.status === 204 ? null : response.json();
}

/** The events of a stream, as they come. */
export async function* events(method, path, body, signal) {
  const response = await fetch(path, {
    method, signal,
    headers: headers(body === undefined ? null : "application/json"),
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!response.ok) throw await failure(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  while (true) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      if (!part.startsWith("data: ")) continue;
      const data = part.slice(6);
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error?.message) throw new Error(event.error.message);
      yield event;
    }
  }
}
