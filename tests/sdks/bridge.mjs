import { createInterface } from 'node:readline';

// A line in is a call and the client that is to make it, a line out is what the SDK's user gets: so one Python test
// drives SDKs of both languages, and one process has all clients.
export async function serve(connect, call) {
  const clients = new Map();
  for await (const line of createInterface({ input: process.stdin })) {
    const { action, parameters, config } = JSON.parse(line);
    const key = JSON.stringify(config);
    if (!clients.has(key)) clients.set(key, connect(config));
    const result = await call(clients.get(key), action, parameters).catch((error) => ({ error: describe(error) }));
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
}

function describe({ name, message, code, statusCode, data }) {
  return { name, message, code, statusCode, data };
}
