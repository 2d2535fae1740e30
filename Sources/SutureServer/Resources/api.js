// The server's API. Errors carry its one line.

async function failure(response) {
  const body = await response.json().catch(() => null);
  return new Error(body?.error?.message ?? `the server answered ${response.status}`);
}

export async function ask(method, path, body, signal) {
  const isFile = body instanceof Blob;
  const response = await fetch(path, {
    method, signal,
    headers: body === undefined ? {} : { "Content-Type": isFile ? "application/octet-stream" : "application/json" },
    body: body === undefined ? undefined : isFile ? body : JSON.stringify(body),
  });
  if (!response.ok) throw await failure(response);
  return response.status === 204 ? null : response.json();
}

/** The events of a stream, as they come. */
export async function* events(method, path, body, signal) {
  const response = await fetch(path, {
    method, signal,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
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
