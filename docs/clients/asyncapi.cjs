// Validates an AsyncAPI document: node asyncapi.cjs FILE. The parser must be installed (see check.sh).
const fs = require("node:fs");
const { Parser } = require("@asyncapi/parser");

new Parser().parse(fs.readFileSync(process.argv[2], "utf8")).then(({ document, diagnostics }) => {
  // Severity 0 is an error, 1 a warning.
  const bad = diagnostics.filter((diagnostic) => diagnostic.severity <= 1);
  for (const { code, message, path } of bad) console.error(`${path.join(".")}: ${message} (${code})`);
  const payloads = document ? document.allMessages().all().map((message) => message.payload().id()) : [];
  const unnamed = payloads.filter((id) => /anonymous/i.test(id));
  if (!document || bad.length > 0 || unnamed.length > 0) {
    console.error(`asyncapi: ${bad.length} problems, ${unnamed.length} payloads without a name`);
    process.exit(1);
  }
  console.log(`asyncapi: valid, ${payloads.length} messages with named payloads`);
});
