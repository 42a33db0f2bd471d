// Runs two commands of a connector with a customizer. The first argument is the customizer's
// file. The second is the file for the attributes that the connector sends, as the log goes to
// standard output. Uses the SDK that is installed in the current folder.
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { PassThrough } from "node:stream";

const require = createRequire(join(process.cwd(), "package.json"));
const { createConnector, SimpleKey } = require("@sailpoint/connector-sdk");
const { connectorCustomizer } = require(process.argv[2]);

const connector = createConnector()
  .stdAccountCreate(async (context, input, res) => res.send({ identity: "1", attributes: input.attributes }))
  .stdAccountRead(async (context, input, res) =>
    res.send({ identity: input.identity, attributes: { firstName: "Ada", lastName: "Lovelace" } }),
  );
const commands = {
  "std:account:create": { attributes: { email: "Ada@Example.com" } },
  "std:account:read": { identity: "1", key: SimpleKey("1") },
};
const sent = {};
for (const [type, input] of Object.entries(commands)) {
  const out = new PassThrough({ objectMode: true });
  await connector._exec(type, { commandType: type }, input, out, await connectorCustomizer());
  sent[type] = out.read().data.attributes;
}
writeFileSync(process.argv[3], JSON.stringify(sent));
