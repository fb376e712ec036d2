// Runs batches with tedious, a client that none of us wrote, and prints what it read as JSON.
//
// node tedious.mjs FOLDER <REQUEST: FOLDER holds node_modules; REQUEST is {port, user, password, batches: [text]}.
// Answer: for each batch its results, each {columns: [[name, type]], rows: [[value]]}.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const { Connection, Request } = createRequire(`${process.argv[2]}/`)('tedious');
const { port, user, password, batches } = JSON.parse(readFileSync(0, 'utf8'));

function plain(value) {
  if (value instanceof Date) return { ms: value.getTime(), delta: value.nanosecondsDelta ?? 0 };
  if (Buffer.isBuffer(value)) return { hex: value.toString('hex') };
  if (typeof value === 'string' && !value.isWellFormed()) {
    return { units: Array.from({ length: value.length }, (_, at) => value.charCodeAt(at)) };
  }
  return value;
}

function run(connection, batch) {
  return new Promise((resolve, reject) => {
    const results = [];
    const request = new Request(batch, (error) => (error ? reject(error) : resolve(results)));
    request.on('columnMetadata', (columns) => {
      results.push({ columns: columns.map((column) => [column.colName, column.type.name]), rows: [] });
    });
    request.on('row', (row) => results.at(-1).rows.push(row.map((column) => plain(column.value))));
    connection.execSqlBatch(request);
  });
}

const connection = new Connection({
  server: '127.0.0.1',
  authentication: { type: 'default', options: { userName: user, password } },
  options: { port, database: 'dw', encrypt: false, trustServerCertificate: true },
});
await new Promise((resolve, reject) => {
  connection.connect((error) => (error ? reject(error) : resolve()));
});
const answers = [];
for (const batch of batches) answers.push(await run(connection, batch));
connection.close();
process.stdout.write(JSON.stringify(answers));
