import iot from '@alicloud/iot20180120';
import openApi from '@alicloud/openapi-client';
import { serve } from './bridge.mjs';

class Client extends iot.default {
  // Keeps what came.
  async callApi(...given) {
    this.came = await super.callApi(...given);
    return this.came;
  }
}

await serve(
  ({ endpoint, accessKeyId, accessKeySecret, timeout }) =>
    new Client(new openApi.Config({ endpoint, accessKeyId, accessKeySecret, protocol: 'http', readTimeout: timeout })),
  async (client, action, parameters) => {
    const request = new iot[`${action}Request`](attributes(parameters));
    const { body } = await client[lowerFirst(action)](request);
    return { body: body.toMap(), raw: client.came.body };
  },
);

function attributes(value) {
  if (Array.isArray(value)) return value.map(attributes);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [lowerFirst(name), attributes(item)]));
}

function lowerFirst(name) {
  return name[0].toLowerCase() + name.slice(1);
}
