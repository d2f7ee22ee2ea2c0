import { type ChildProcess, execFileSync } from "node:child_process";
import { cpSync, existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Kafka, KafkaConfig } from "kafkajs";
import { createClient, loadDriver } from "../../bindings/node/_kafka-driver.ts";
import { newFolder, temporary } from "./folder.ts";
import { freePort, listening } from "./machine.ts";
import { ended, launched } from "./process.ts";

export interface KafkaServer {
  /** host:port on 127.0.0.1. */
  readonly brokers: string;
  /** kafkajs past pillion. */
  readonly raw: Kafka;
  /** Makes a topic, and waits until it can be used. */
  create(topic: string, partitions: number): Promise<void>;
  /** What the group has committed, by partition; -1 for nothing. */
  committed(group: string, topic: string): Promise<number[]>;
  /** What stands beside that, without the mark of who wrote it. */
  counted(group: string, topic: string): Promise<string[]>;
  /** SIGKILL; its data stay in its folder. */
  crash(): Promise<void>;
  /** On the same port, with what is in its folder. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

const java = ["-Xmx256m", "-XX:TieredStopAtLevel=1"];
const quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn";
/** Three seconds on a machine that does nothing else. */
const START_MS = 60_000;
const cluster = "AAAAAAAAAAAAAAAAAAAAAQ";

/** Why a server cannot run here; never a reason on CI, where its absence must fail. */
export function absentKafka(): string | undefined {
  if (jars() || process.env.CI) return undefined;
  return "no Kafka: sh test/harness/kafka-jars.sh FOLDER, and name the folder in $PILLION_KAFKA";
}

function jars(): string | undefined {
  const folder = process.env.PILLION_KAFKA;
  return folder && existsSync(join(folder, "lib")) ? join(folder, "lib", "*") : undefined;
}

/**
 * Starts one broker with nothing in it on free ports of 127.0.0.1. `extra` are lines of its properties, `connect` says how
 * `raw` reaches it where that is not plainly.
 */
export async function startKafka(
  extra: readonly string[] = [],
  connect: Omit<KafkaConfig, "brokers"> = {},
): Promise<KafkaServer> {
  const path = jars();
  if (!path) throw new Error("no Kafka to start: set PILLION_KAFKA");
  const folder = newFolder("kafka");
  cpSync(formatted(path), join(folder, "data"), { recursive: true });
  const launch = async (port: number) => serve(path, folder, port, extra);
  let port = await freePort();
  let child = await launch(port).catch(async () => {
    // Somebody else may have taken a port in between: once more, on others.
    port = await freePort();
    return launch(port);
  });
  const brokers = `127.0.0.1:${port}`;
  const raw = createClient(await loadDriver(), { brokers: [brokers], ...connect }, {});
  const admin = raw.admin();
  await admin.connect();
  const positions = async (groupId: string, topic: string) => {
    const [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
    return [...(found?.partitions ?? [])].sort((a, b) => a.partition - b.partition);
  };
  return {
    brokers,
    raw,
    async create(topic, numPartitions) {
      await admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: true });
    },
    committed: async (group, topic) =>
      (await positions(group, topic)).map(({ offset }) => Number(offset)),
    counted: async (group, topic) =>
      (await positions(group, topic)).map(({ metadata }) => metadata?.split(":").at(-1) ?? ""),
    crash: () => ended(child, "SIGKILL"),
    async start() {
      child = await launch(port);
    },
    async stop() {
      await admin.disconnect();
      await ended(child, "SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function serve(
  path: string,
  folder: string,
  port: number,
  extra: readonly string[],
): Promise<ChildProcess> {
  const file = join(folder, "server.properties");
  writeFileSync(file, properties(folder, port, await freePort(), extra));
  const words = [...java, quiet, "-cp", path, "kafka.Kafka", file];
  return launched("java", words, listening(port), START_MS);
}

/** A data folder holds no port and no path: it is formatted once in a run, and copied. */
function formatted(path: string): string {
  const folder = join(temporary, "kafka-formatted");
  if (existsSync(folder)) return folder;
  const made = newFolder("kafka-format");
  const file = join(made, "server.properties");
  writeFileSync(file, properties(made, 1, 2, []));
  const tool = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", file];
  execFileSync("java", [...java, quiet, "-cp", path, ...tool], { stdio: "pipe" });
  try {
    renameSync(join(made, "data"), folder);
  } catch {
    // Another worker of the run was faster.
  }
  return folder;
}

function properties(
  folder: string,
  port: number,
  controller: number,
  extra: readonly string[],
): string {
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=${join(folder, "data")}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
${extra.join("\n")}
`;
}
