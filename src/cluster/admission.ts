/**
 * Admission decides which authentic frames count: of each sender only the newest incarnation, and of that each
 * sequence number once, on each link by itself. An overheard frame that is played again, and whatever a card
 * had still in a queue when it restarted, changes nothing.
 *
 * The window follows RFC 4303 section 3.4.3: a frame that overtook another is taken once, up to `replayWindow`
 * behind the newest.
 *
 * Invariants: an accepted (sender, incarnation, link, sequence) is never accepted again; the incarnation of a
 * sender never goes down.
 */
import type { LinkKind, SenderId } from "../base/ids.ts";
import { replayWindow } from "../limits.ts";

export type Verdict =
  | "accepted"
  /** Accepted, and the first frame of a new incarnation of its sender. */
  | "restarted"
  | "replayed"
  | "oldIncarnation";

type Window = {
  newest: number;
  /** Bit n says that `newest` - n was accepted; bits 0 to 31 in `low`, 32 to 63 in `high`. */
  low: number;
  high: number;
  accepted: number;
  dropped: number;
};

type Sender = { incarnation: number; readonly windows: Record<LinkKind, Window> };

const emptyWindow = (): Window => ({ newest: -1, low: 0, high: 0, accepted: 0, dropped: 0 });

export class Admission {
  readonly #senders = new Map<SenderId, Sender>();

  admit(link: LinkKind, from: SenderId, incarnation: number, sequence: number): Verdict {
    let sender = this.#senders.get(from);
    let restarted = false;
    if (sender === undefined) {
      sender = { incarnation, windows: { ether: emptyWindow(), serial: emptyWindow() } };
      this.#senders.set(from, sender);
      restarted = true;
    } else if (incarnation > sender.incarnation) {
      sender.incarnation = incarnation;
      for (const window of [sender.windows.ether, sender.windows.serial]) {
        window.newest = -1;
        window.low = 0;
        window.high = 0;
      }
      restarted = true;
    }
    const window = link === "ether" ? sender.windows.ether : sender.windows.serial;
    if (incarnation < sender.incarnation) {
      window.dropped++;
      return "oldIncarnation";
    }
    if (!take(window, sequence)) {
      window.dropped++;
      return "replayed";
    }
    window.accepted++;
    return restarted ? "restarted" : "accepted";
  }

  /** The newest incarnation heard of a sender. */
  incarnationOf(from: SenderId): number | undefined {
    return this.#senders.get(from)?.incarnation;
  }

  /** Frames of a sender on a link: those accepted, and those dropped here. */
  counts(from: SenderId, link: LinkKind): { accepted: number; dropped: number } {
    const window = this.#senders.get(from)?.windows[link];
    return { accepted: window?.accepted ?? 0, dropped: window?.dropped ?? 0 };
  }
}

function take(window: Window, sequence: number): boolean {
  const ahead = sequence - window.newest;
  if (ahead > 0) {
    shift(window, ahead);
    window.newest = sequence;
    window.low = (window.low | 1) >>> 0;
    return true;
  }
  const behind = -ahead;
  if (behind >= replayWindow) return false;
  const bit = behind < 32 ? (1 << behind) >>> 0 : (1 << (behind - 32)) >>> 0;
  const half = behind < 32 ? "low" : "high";
  if ((window[half] & bit) !== 0) return false;
  window[half] = (window[half] | bit) >>> 0;
  return true;
}

function shift(window: Window, by: number): void {
  if (by >= 64) {
    window.low = 0;
    window.high = 0;
  } else if (by >= 32) {
    window.high = by === 32 ? window.low : (window.low << (by - 32)) >>> 0;
    window.low = 0;
  } else {
    window.high = ((window.high << by) | (window.low >>> (32 - by))) >>> 0;
    window.low = (window.low << by) >>> 0;
  }
}
