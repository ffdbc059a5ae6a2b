// A client of BullMQ that does what it is told on stdin, a JSON object a line, and answers in one:
// { do: "add", count, batch }      jobs, so many in one call; 1 is `add`, more is `addBulk`
// { do: "work", count, at_once }   a worker that finishes so many jobs, so many at once
// Answers { seconds, cpu_seconds, done }.
import { createInterface } from "node:readline";
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";

const [socket] = process.argv.slice(2);
const connect = () => new Redis({ path: socket, maxRetriesPerRequest: null });
const name = "jobs";
const queue = new Queue(name, { connection: connect() });
await queue.waitUntilReady();
let number = 0;

const job = () => {
  const id = ++number;
  const data = { repository: `acme/r${id % 50}`, placement: "[[],0.0,0]", priority: 50 };
  return { name: "job", data, opts: { jobId: `job_${id}`, removeOnComplete: true } };
};

async function add({ count, batch }) {
  for (let left = count; left > 0; left -= batch) {
    if (batch === 1) {
      const { name, data, opts } = job();
      await queue.add(name, data, opts);
    } else {
      await queue.addBulk(Array.from({ length: Math.min(batch, left) }, job));
    }
  }
  return count;
}

async function work({ count, at_once }) {
  let done = 0;
  const options = { connection: connect(), concurrency: at_once, autorun: false };
  const worker = new Worker(name, async () => undefined, options);
  await worker.waitUntilReady();
  const all = new Promise((resolve, reject) => {
    worker.on("failed", (_, error) => reject(error));
    worker.on("completed", () => {
      done += 1;
      if (done === count) resolve();
    });
  });
  return {
    run: async () => {
      void worker.run();
      await all;
      return done;
    },
    close: () => worker.close(),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  const worker = order.do === "work" ? await work(order) : undefined;
  const used = process.cpuUsage();
  const began = performance.now();
  const done = worker ? await worker.run() : await add(order);
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(used);
  await worker?.close();
  const left = Object.values(await queue.getJobCounts()).reduce((a, b) => a + b, 0);
  console.log(JSON.stringify({ seconds, cpu_seconds: (user + system) / 1e6, done, left }));
}
process.exit(0);
