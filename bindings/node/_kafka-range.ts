import type { Assigner, Cluster, GroupMember, GroupMemberAssignment } from "kafkajs";
import type { Driver } from "./_kafka-driver.ts";

export type Strategy = "range" | "roundrobin";

/**
 * The strategies by the names that Dapr's driver and others give them, so that they share a group. Unlike those that kafkajs
 * brings, they give a topic only to members that subscribe to it, also one that the leader does not.
 */
export function assigner({ AssignerProtocol }: Driver, strategy: Strategy) {
  const { MemberMetadata, MemberAssignment } = AssignerProtocol;
  return ({ cluster }: { readonly cluster: Cluster }): Assigner => ({
    name: strategy,
    version: 0,
    async assign({ members }: { readonly members: GroupMember[] }) {
      const wanted = subscribersOf(
        members,
        (metadata) => MemberMetadata.decode(metadata)?.topics ?? [],
      );
      // kafkajs knows the topics of this member only.
      const whole = cluster as Cluster & {
        addMultipleTargetTopics(topics: string[]): Promise<void>;
      };
      await whole.addMultipleTargetTopics([...wanted.keys()]);
      const shares = new Map<string, Record<string, number[]>>();
      for (const { memberId } of members) shares.set(memberId, {});
      for (const [topic, subscribers] of wanted) {
        const found = cluster.findTopicPartitionMetadata(topic);
        const partitions = found.map(({ partitionId }) => partitionId).sort((a, b) => a - b);
        for (const [index, partition] of partitions.entries()) {
          const place = placeOf(strategy, index, partitions.length, subscribers.length);
          const share = shares.get(subscribers[place] as string) as Record<string, number[]>;
          (share[topic] ??= []).push(partition);
        }
      }
      return [...shares].map(
        ([memberId, assignment]): GroupMemberAssignment => ({
          memberId,
          memberAssignment: MemberAssignment.encode({
            version: 0,
            assignment,
            userData: Buffer.alloc(0),
          }),
        }),
      );
    },
    protocol: ({ topics }: { readonly topics: string[] }) => ({
      name: strategy,
      metadata: MemberMetadata.encode({ version: 0, topics, userData: Buffer.alloc(0) }),
    }),
  });
}

function subscribersOf(
  members: readonly GroupMember[],
  topicsOf: (metadata: Buffer) => readonly string[],
): Map<string, string[]> {
  const wanted = new Map<string, string[]>();
  for (const { memberId, memberMetadata } of members) {
    for (const topic of topicsOf(memberMetadata)) {
      wanted.set(topic, [...(wanted.get(topic) ?? []), memberId]);
    }
  }
  for (const subscribers of wanted.values()) subscribers.sort();
  return wanted;
}

/** Whose a partition is: neighbours together, or one each in turn. */
function placeOf(strategy: Strategy, index: number, partitions: number, members: number): number {
  return strategy === "range" ? Math.floor((index * members) / partitions) : index % members;
}
