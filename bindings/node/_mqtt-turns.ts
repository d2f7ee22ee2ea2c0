/**
 * Who may begin. What dead processes had in hand may have been their end, and begins its last delivery alone: so it takes no
 * other with it that nobody began, if it is the end of this one too.
 */
export interface Turns {
  /** Whether a message may begin now, with no others beside it when it is `suspect`. */
  take(suspect: boolean): boolean;
  /** One that began has ended. */
  give(): void;
}

/** `wanted`: whether a suspect is next somewhere. `again`: others may begin now that could not. */
export function createTurns(wanted: () => boolean, again: () => void): Turns {
  let busy = 0;
  let alone = false;
  return {
    take(suspect) {
      if (alone || (suspect ? busy > 0 : wanted())) return false;
      alone = suspect;
      busy++;
      return true;
    },
    give() {
      busy--;
      alone = false;
      if (busy === 0) again();
    },
  };
}
