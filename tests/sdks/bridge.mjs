import { createInterface } from 'node:readline';

export const { endpoint, accessKeyId, accessKeySecret, method, timeout } = JSON.parse(process.argv[2]);

// A line in is a call, a line out is what the SDK's user gets: so one Python test drives SDKs of both languages.
export async function serve(call) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { action, parameters } = JSON.parse(line);
    const result = await call(action, parameters).catch((error) => ({ error: describe(error) }));
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
}

function describe({ name, message, code, statusCode, data }) {
  return { name, message, code, statusCode, data };
}
