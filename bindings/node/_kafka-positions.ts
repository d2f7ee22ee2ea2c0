import type { Admin, TopicPartitionOffsetAndMetadata } from "kafkajs";

export interface Position {
  readonly topic: string;
  readonly partition: number;
  /** What the group has committed. */
  readonly committed: number;
  /** What stands beside it. */
  readonly text: string;
  /** Where to go on, which is later than `committed` where the broker has nothing so old any more. */
  readonly from: number;
  /** Where its records end. */
  readonly end: number;
}

export interface PositionsRequest {
  readonly admin: Admin;
  readonly group: string;
  /** Partitions by topic. */
  readonly assignment: Readonly<Record<string, readonly number[]>>;
  readonly oldest: boolean;
  commit(offsets: TopicPartitionOffsetAndMetadata[]): Promise<unknown>;
}

/**
 * Where the group goes on in each partition. A partition where it has never been gets a position at once, and it is committed:
 * what is published from then on is delivered, whoever consumes and however often that ends before.
 * Undefined where a commit did not last, as while the consumer starts: to be tried again.
 */
export async function findPositions(request: PositionsRequest): Promise<Position[] | undefined> {
  const { admin, group, assignment, oldest, commit } = request;
  const topics = Object.keys(assignment).filter((topic) => assignment[topic]?.length);
  if (topics.length === 0) return [];
  const read = () => admin.fetchOffsets({ groupId: group, topics });
  const [before, bounds] = await Promise.all([
    read(),
    Promise.all(topics.map((topic) => admin.fetchTopicOffsets(topic))),
  ]);
  const start = topics.flatMap((topic, index) =>
    (assignment[topic] as number[]).map((partition) => {
      const bound = bounds[index]?.find((one) => one.partition === partition);
      const [low, high] = [Number(bound?.low), Number(bound?.high)];
      const { offset: committed } = positionOf(before, topic, partition);
      return { topic, partition, committed, low, high };
    }),
  );
  const fresh = start.filter(({ committed }) => committed < 0);
  if (fresh.length > 0) {
    await commit(
      fresh.map(({ topic, partition, low, high }) => {
        return { topic, partition, offset: String(oldest ? low : high) };
      }),
    );
  }
  const after = fresh.length > 0 ? await read() : before;
  const found = start.map(({ topic, partition, low, high }) => {
    const { offset: committed, text } = positionOf(after, topic, partition);
    const from = committed < low || committed > high ? low : committed;
    return { topic, partition, committed, text: from < committed ? "" : text, from, end: high };
  });
  return found.every(({ committed }) => committed >= 0) ? found : undefined;
}

function positionOf(
  offsets: Awaited<ReturnType<Admin["fetchOffsets"]>>,
  topic: string,
  partition: number,
): { readonly offset: number; readonly text: string } {
  const found = offsets
    .find((one) => one.topic === topic)
    ?.partitions.find((one) => one.partition === partition);
  return { offset: Number(found?.offset ?? -1), text: found?.metadata ?? "" };
}
