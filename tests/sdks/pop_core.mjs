import PopCore from '@alicloud/pop-core';
import { accessKeyId, accessKeySecret, endpoint, method, serve, timeout } from './bridge.mjs';

const client = new PopCore({
  endpoint: `http://${endpoint}`,
  apiVersion: '2018-01-20',
  accessKeyId,
  accessKeySecret,
  opts: { method, timeout },
});

await serve(async (action, parameters) => ({ body: await client.request(action, parameters) }));
