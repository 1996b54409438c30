import PopCore from '@alicloud/pop-core';
import { serve } from './bridge.mjs';

await serve(
  ({ endpoint, accessKeyId, accessKeySecret, method, timeout }) =>
    new PopCore({
      endpoint: `http://${endpoint}`,
      apiVersion: '2018-01-20',
      accessKeyId,
      accessKeySecret,
      opts: { method, timeout },
    }),
  async (client, action, parameters) => ({ body: await client.request(action, parameters) }),
);
