import iot from '@alicloud/iot20180120';
import openApi from '@alicloud/openapi-client';
import { accessKeyId, accessKeySecret, endpoint, serve, timeout } from './bridge.mjs';

const client = new iot.default(
  new openApi.Config({ endpoint, accessKeyId, accessKeySecret, protocol: 'http', readTimeout: timeout }),
);

await serve(async (action, parameters) => {
  const request = new iot[`${action}Request`](attributes(parameters));
  const { body } = await client[lowerFirst(action)](request);
  return { body: body.toMap(), unset: unset(body) };
});

function attributes(value) {
  if (Array.isArray(value)) return value.map(attributes);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [lowerFirst(name), attributes(item)]));
}

function lowerFirst(name) {
  return name[0].toLowerCase() + name.slice(1);
}

// JSON leaves out what is undefined, so the attributes that no answer has filled are listed.
function unset(value, path = []) {
  if (value === undefined) return [path.join('.')];
  if (Array.isArray(value)) return value.flatMap((item) => unset(item, path));
  const names = value?.constructor?.names?.() ?? {};
  return Object.keys(names).flatMap((name) => unset(value[name], [...path, name]));
}
