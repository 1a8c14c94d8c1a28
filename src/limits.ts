/**
 * Every bound of the program, with the relations between them asserted at load. Durations are milliseconds,
 * sizes are bytes, loads are shares of one.
 */
import { assert } from "./base/assert.ts";
import { slotCountMax } from "./base/ids.ts";

/** Steps of a rehearsal, and the time that passes in it: it has ended long before. */
export const rehearsalStepsMax = 20_000;
export const rehearsalMsMax = 60_000;

/** A heartbeat's bytes on the serial wire, delimiter included. */
export const serialHeartbeatBytesMax = 48;
/** One serial frame on the wire, delimiter included; what is larger is fragmented. */
export const serialFrameBytesMax = 256;
/** The share of the serial line that all heartbeats together may use, and the share left for adverts; the rest is for self-tests, membership and fencing. */
export const serialHeartbeatLoadMax = 0.4;
export const serialAdvertLoadMax = 0.1;
/** An advert's bytes on the serial wire with the echoes of a full chassis. */
export const serialAdvertBytesMax = 224;
/** Bits on the wire for a byte: start, eight data bits, stop. */
export const serialBitsPerByte = 10;

/** The Ethernet payload that a frame may fill: the standard MTU. */
export const etherFrameBytesMax = 1500;
/** The envelope and the tag of a fragment, at their largest. */
export const fragmentOverheadBytesMax = 64;
/** The largest message after reassembly. */
export const messageBytesMax = 64 * 1024;
/** Pieces of one message. */
export const fragmentCountMax = 512;
/** Messages under reassembly for one sender, and for all of a link together. */
export const reassemblyPerSenderMax = 4;
export const reassemblyMax = 32;
/** An unfinished message is given up after this. */
export const reassemblyMs = 2_000;

/** Sequence numbers behind the newest that are still accepted once. */
export const replayWindow = 64;
/** Above this a sequence number is not accepted: an exact integer in every runtime. */
export const sequenceMax = Number.MAX_SAFE_INTEGER;
export const incarnationMax = 0xffffffff;

/** Keys that a card accepts at the same time while the system's key is rotated. */
export const keysMax = 2;
export const keyBytes = 32;
export const serialTagBytes = 8;
export const etherTagBytes = 16;

/** Text in an advert, UTF-8. */
export const nameBytesMax = 32;
export const softwareBytesMax = 32;
export const uidBytes = 8;

/** Beats in a row after a silence before a link counts as up again. */
export const recoveringBeats = 2;
/** How late a tick must be before the time is taken off everybody's silence; below this it is the timer's grain. */
export const lateTickMs = 2;

/** The shortest gap between two adverts on Ethernet that are sent because something new was heard. */
export const advertGapMs = 100;
/** The period of the adverts on Ethernet while anybody is unverified, and once all are; on serial it is longer where the line's budget asks for it. */
export const advertPeriodMs = 1_000;
export const advertSteadyMs = 5_000;
/** Adverts sent early because a peer's incarnation was new, for each such incarnation and link. */
export const promptAdverts = 3;
/** An advert on the serial wire at its longest: what every card says, and what each echo adds. */
export const serialAdvertBytes = 132;
export const serialEchoBytes = 8;
/** Frames of a second card in the same slot, with growing sequence over at least this long, that prove a duplicate; and how long without one until it is gone. */
export const duplicateFrames = 5;
export const duplicateOverMs = 1_000;
export const duplicateGoneMs = 10_000;
/** The shortest gap between two answers that tell a card that its incarnation is too old. */
export const staleGapMs = 1_000;
/** The multiplexor says every second which slots have power; silent for this long it counts as unheard. */
export const multiplexorPeriodMs = 1_000;
export const multiplexorUnheardMs = 3_500;
/** LLDP: the period and the time to live that the standard recommends (IEEE 802.1AB, msgTxInterval and msgTxHold). */
export const lldpPeriodMs = 30_000;
export const lldpTtlS = 120;

/** Frames that wait between a driver's thread and the loop; the oldest is dropped and counted. */
export const receiveQueueMax = 1_024;
/** Log lines of one event in a second, after which they are counted and summed up. */
export const logPerSecondMax = 20;

/** The number of a view is an unsigned integer of 32 bits: at a view a second they last for 136 years. */
export const viewNumberMax = 0xffffffff;
/** View numbers that a card sets aside on disk at a time, so that no promise waits for a disk. */
export const viewNumbersReserved = 1_024;
/** A proposal of a view that is not answered by all is sent again after this, and given up for a new one after so many times. */
export const viewResendMs = 20;
export const viewResendsMax = 10;
/** A promise binds a card to its proposer, and the others wait for a coordinator to propose, for this long. */
export const viewMuteMs = 1_000;
/** A card that does not answer proposals, and a pair that refuses them, are left out for this; then for twice as long each time up to the second. */
export const viewSetbackMs = 200;
export const viewSetbackMaxMs = 10_000;
/** How often a card without a view asks for one. */
export const wantViewMs = 100;
/**
 * A card whose view does not hold any more, with a quorum in sight, goes on with what it runs for so long; then it stops, for the others may have a view
 * without it.
 */
export const viewGraceMs = 3_000;
/**
 * The watchdog as a lease: of its time-out, how long a card may serve at most after the others have gone on without it, and how long it may stand still and
 * be fed again; and the time-outs that the others wait before what it had is started elsewhere.
 */
export const leaseServeShare = 0.5;
export const leaseStallShare = 0.5;
export const leaseTimeouts = 2;
/** Branches in the search for the largest set of cards that confirm each other; a system with few broken pairs takes some tens. */
export const cliqueStepsMax = 10_000;
/** Notifications of the membership that are kept for people. */
export const viewHistoryMax = 16;

/**
 * A proposal on the ring is sent again after this, or so many times what one takes to come around; then after twice as long
 * each time up to the last.
 */
export const passResendMs = 10;
export const passResendRoundTrips = 4;
export const passResendMaxMs = 200;
/** From the last commit to an empty pass that gathers its acknowledgment, when nothing else is to be proposed. */
export const passAckMs = 5;
/** What is for a card that had to be sent something again goes to all cards for so long. */
export const directAgainMs = 100;
/** An initiator sends what was not ordered again after this. */
export const submitResendMs = 50;
/** What a card holds, said again until the view begins. */
export const flushResendMs = 20;
/** Said so often without an answer that helps, another view is asked for. */
export const flushesFruitlessMax = 100;
/** Entries, and the bytes of their bodies, that one pass takes. */
export const passEntriesMax = 256;
export const passBytesMax = 24 * 1024;
/** The body of one entry. */
export const entryBytesMax = 48 * 1024;
/** An initiator's entries that are not ordered yet, and their bytes; the same for each initiator at the coordinator. */
export const pendingEntriesMax = 4_096;
export const pendingBytesMax = 4 * 1024 * 1024;
/** Delivered entries that are kept for cards that were away, and their bytes. */
export const retainedEntriesMax = 8_192;
export const retainedBytesMax = 4 * 1024 * 1024;
/** Epochs that are remembered, to find where two orders parted. */
export const epochsMax = 64;

/** Groups of the system, members of all of them, and the text in their names, UTF-8. */
export const groupsMax = 64;
export const groupMembersMax = 512;
export const groupNameBytesMax = 32;
export const memberNameBytesMax = 32;
/** One message of an application. */
export const applicationMessageBytesMax = 32 * 1024;
/** Clients of a card's socket, the messages of one that are under way, and the bytes that wait for one that reads slowly. */
export const applicationClientsMax = 64;
export const applicationUnderWayMax = 512;
export const applicationWaitingBytesMax = 4 * 1024 * 1024;
/** What a request has besides a message's data, and one event at its largest: all members of all groups in a view, and each of them changed. */
export const applicationOverheadBytesMax = 1_024;
export const applicationEventBytesMax = 64 * 1024;
/** Messages of one client, and their bytes, that our own client library has under way: it is never left unread, and several share what a card may have pending. */
export const applicationWindowMax = 128;
export const applicationWindowBytesMax = 256 * 1024;
/** Text for people in an event, UTF-8; longer text is cut. */
export const applicationTextBytesMax = 512;
/** A connection to the local socket says which protocol it speaks within this; one that is cut off is told so and has this long to read it. */
export const applicationHelloMs = 5_000;
export const applicationClosingMs = 500;
/** The path of a Unix socket: `sun_path` of Linux less its closing zero. */
export const socketPathBytesMax = 107;
/** The time in which a member may ask to be monitored. */
export const monitorMsMin = 50;
export const monitorMsMax = 600_000;
/** Why a card resets itself, UTF-8: it fits a serial frame. */
export const failingReasonBytesMax = 120;
/** From telling the others to the end of a card that resets itself. */
export const failingMs = 20;

/** A check of the start that failed is tried again after this. */
export const bootPostRetryMs = 10_000;
/** A card that starts listens for the multiplexor's word, and for the announcements of those that it hears, so long at most. */
export const bootMultiplexorMs = 2_500;
export const bootAnswerMs = 500;
/** What a card announces of its start is said again after this, and once it is ready; who is new is told at once, but not more often than this. */
export const bootAnnounceMs = 1_000;
export const bootAnnounceReadyMs = 10_000;
export const bootAnswerGapMs = 100;
/** The share of the serial line that announcements may use, and the bytes of one on it. */
export const serialAnnounceLoadMax = 0.05;
export const serialAnnounceBytes = 80;
/** A start that is not further after this holds: for the configuration and the others, and for a view. */
export const bootCatchUpMs = 60_000;
export const bootQuorumMs = 10_000;
/** A cold start waits for all cards of the configuration so long, unless the card's configuration says otherwise. */
export const bootColdWaitMs = 300_000;
/** A stall of the program counts in its self-test for so long. */
export const stallForgottenMs = 10_000;
/** Power that comes so long after the multiplexor's start is the chassis's own. */
export const chassisPowerOnMs = 10_000;
/** So many starts in a row without being ready are a loop; the next one goes on after so long. */
export const bootLoopStarts = 5;
export const bootLoopMs = 600_000;
/** The code of a hold, and of a check that failed, UTF-8. */
export const holdCodeBytesMax = 32;
export const checkCodeBytesMax = 16;
/** Checks in the answer to a self-test. */
export const selfTestChecksMax = 16;
/** A self-test on the serial line, and so many frames of that size until its receipt is there, besides the card's own delay on either link. */
export const selfTestFrameBytes = 52;
export const selfTestFrames = 4;
export const selfTestDelayMs = 5;
/** The share of the serial line that questions to cards may use that were not silent for long. */
export const serialEarlyLoadMax = 0.1;
/** Results so young answer another question; a verdict other than healthy is looked at again after this. */
export const selfTestFreshMs = 1_000;
export const selfTestAgainMs = 30_000;
/** Third cards that are asked to test a card that is silent, and cards that wait for the same answers. */
export const relaysMax = 3;
export const selfTestAskersMax = 64;

/** Rows of one of the larger tables of the configuration; tables whose rows belong to theirs have some times as many. */
export const configRowsMax = 1_024;
/** A line of text for people in the configuration, and any value of a row, UTF-8. */
export const configTextBytesMax = 256;
export const configValueBytesMax = 16 * 1024;
/** Rows that one wish puts or removes, and the mistakes of one that are told at once. */
export const wishOperationsMax = 50_000;
export const configFindingsMax = 64;
/** How deep failover sets and the needs of resources may go. */
export const setDepthMax = 8;
export const needsDepthMax = 32;
/** Candidates that the search for the fewest moves looks at before it places one after the other, and those that the chains of moves look at then. */
export const placementWorkMax = 30_000;
export const placementSearchMax = 1_000_000;
/** Restarts and failovers of one unit, and failures of one card, that are remembered. */
export const failuresKept = 256;
/** Events of one failover that its record keeps, and records that a card keeps. */
export const failoverEventsMax = 512;
export const failoverRecordsMax = 64;
/** Of its records, those that a card gives to one that joins. */
export const failoverRecordsGiven = 8;
/** Pieces of what the failover services agree on, or of their configuration, in one message, and how many there may be. */
export const failoverPieceBytesMax = 30 * 1024;
export const failoverPiecesMax = 1_024;
/** Services that one entry of the failover services names, and the length of each of its texts. */
export const failoverGrantsMax = 256;
export const failoverWordsMax = 2_048;
/** Epochs of one beginning of the failover services; the next one begins above them, at the number of its view times this. */
export const failoverEpochsMax = 2 ** 20;
/** What was said and had no effect is said again after this; what nobody answers is asked again after this. */
export const failoverResayMs = 1_000;
export const failoverAnnounceMs = 500;
/** How long who is in the order and has not joined is waited for before all begins anew, and the first wait after joining. */
export const failoverBeginMs = 1_000;
export const failoverGatherMs = 10;
/** Each card that speaks for all waits so much longer than the one below it. */
export const failoverTurnMs = 250;
/** How often the time is told while anything waits for it. */
export const failoverTimeMs = 5_000;
/** A card whose end is not proven is fenced again after this. */
export const failoverFenceMs = 500;
/** What stands by hot and has failed is started again after this, on a card that does not have its service. */
export const standbyRetryMs = 10_000;
/** A card that leaves hands over for at most this long; then it stops what it has left. */
export const failoverLeaveMs = 10_000;
/** An operator's order that the order of messages does not bring back is answered after this. */
export const failoverOperateMs = 10_000;
/** A rival of an address that has not been heard for this long is none any more. */
export const failoverRivalMs = 10_000;
/** After a failover all is over when nothing has come for this long. */
export const failoverCloseMs = 5_000;
/** Records of failovers on a card's disk, and how long one that changes is not written. */
export const failoverArchiveMax = 256;
export const failoverArchiveMs = 1_000;
/** A journal of resources that is longer is written anew. */
export const resourceJournalBytesMax = 256 * 1024;
/** How often a card looks at its interfaces, and at its own health. */
export const interfacesLookMs = 1_000;
export const healthLookMs = 5_000;
/** How often a card that is well tests its own disk; one that is not does so at each look. Busy disks are slow, and that is no fault: only what hangs is. */
export const ownTestMs = 60_000;
export const ownTestDeadlineMs = 15_000;
/** For how long an error of a disk counts, and how many counters of such are read. */
export const diskErrorsWindowMs = 3_600_000;
export const diskErrorSourcesMax = 256;
/** How long what an earlier run of the program left behind may take to stop, each. */
export const leftoverStopMs = 60_000;
/** Networks that a host may come from. */
export const addressesMax = 16;
/** Changes that the audit remembers, and the text that one has in it. */
export const auditRowsMax = 10_000;
export const auditTextBytesMax = 8 * 1024;
export const auditCommentBytesMax = 1_024;

/** The random part of a token. */
export const tokenSecretBytes = 32;
/** Failed attempts with a token from one address until it is not listened to, for how long they count, and addresses that are remembered. */
export const failedAttemptsMax = 10;
export const failedAttemptsMs = 60_000;
export const failingAddressesMax = 256;
/** The content of one row over HTTP, of a document, and of a backup. */
export const rowContentBytesMax = 64 * 1024;
export const documentContentBytesMax = 4 * 1024 * 1024;
export const backupContentBytesMax = 64 * 1024 * 1024;
/** Text for people in a change, and a key, at the door; in letters. What is kept of them is bounded by bytes. */
export const changeCommentLengthMax = 1_024;
export const idempotencyKeyLengthMax = 255;
/** How often a plan is made anew because other changes came first. */
export const planAttemptsMax = 5;
/** Rows and changes in one page over HTTP, and as many as there are when nothing is said. */
export const pageRowsMax = 1_000;
export const pageRowsDefault = 100;
/** How long a check, a repair or a restore may take until its connection is given up. */
export const longAnswerMs = 300_000;

/**
 * Of the chain of changes each card keeps the newest, by their count and by their bytes; both are part of what all cards
 * have alike, so they change with a level only.
 */
export const chainChangesMax = 20_000;
export const chainBytesMax = 64 * 1024 * 1024;
/** Pages in the log of the configuration's database above which a commit waits for a checkpoint; above a quarter of them it is made when nobody waits. */
export const logPagesMax = 1_024;
/** Copies of the database that wait for other cards, received ones that are not whole yet, and databases that were moved out of the way. */
export const snapshotsMax = 4;
export const snapshotsReceivedMax = 2;
export const damagedMax = 2;
/** Pieces of a snapshot that came before the ones that they follow on. */
export const snapshotAheadBytesMax = 4 * 1024 * 1024;
/** Branches that a card keeps. */
export const branchesMax = 8;
/** Rows or changes in one answer of a store. */
export const storePageMax = 1_000;
/** Rows of a table that are kept in memory because they are looked up with each request. */
export const storeKeptRowsMax = 256;
/** Moments of the database that are kept for those who read it in pieces, and how long each waits for the next piece to be asked for. */
export const storeViewsMax = 4;
export const storeViewMs = 10_000;
/** A backup that is given back. */
export const backupBytesMax = 64 * 1024 * 1024;
/** How long the store's thread waits for a further order until it tidies up. */
export const storeRestMs = 20;

/** Wishes that are planned and proposed together. */
export const configBatchMax = 64;
/** One change: its changeset, and the text of who, why and which. */
export const configChangeBytesMax = 8 * 1024 * 1024;
export const configKeyBytesMax = 256;
/** Wishes of this card's callers, and of other cards', that are not answered yet. */
export const configPendingMax = 256;
/** A wish that is not acknowledged after this is answered with `timeout`. */
export const configTimeoutMs = 10_000;
/** How often a wish is planned again because others came first, and how long they let it go first then. */
export const configRetriesMax = 16;
export const configYieldMs = 50;
/** What is durable where is asked for again after this. */
export const configAskMs = 100;
/** An announcement that is not answered is said again after this, then after twice as long each time up to the second. */
export const configAnnounceMs = 200;
export const configAnnounceMaxMs = 2_000;
/** Changes of the membership gather for this long before what a card has is announced for them. */
export const configGatherMs = 20;
/** Nobody is a replica, and some cards have not said what they have: those that have begin without them after this. */
export const configElectMs = 3_000;
/** A store whose disk was full, or failed, is tried again after this. */
export const configHoldRetryMs = 10_000;
/** Accepted changes that wait for the store or for what is before them, in bytes; beyond it the oldest are given up and asked for again. */
export const configTailBytesMax = 16 * 1024 * 1024;
/** Bytes of changes that one transaction of the store takes. */
export const configCommitBytesMax = 1024 * 1024;
/** Hashes of the newest changes that a card remembers to compare what others say. */
export const configRecentMax = 1_024;
/** Hashes that are asked for at a time, to find the last common change. */
export const configHashesMax = 64;
/** A piece of what a card that catches up is given, and a wish, or its answer, that goes to another card. */
export const configPieceBytesMax = 32 * 1024;
export const configForwardBytesMax = 48 * 1024;
/** Pieces that a card that catches up has asked for and not put away; a question that is not answered is asked again after this, and so often. */
export const configWindow = 8;
export const configPieceMs = 250;
export const configQuestionsMax = 8;
/** What may need a snapshot to be made is asked for so often. */
export const configTransfersAskedMax = 120;
/** A card that had nothing to give is asked again after this. */
export const configBusyMs = 50;
/**
 * Changes that are given at a time, in bytes; what it costs to apply one, in bytes that could be sent in that time; above so much in all a
 * snapshot is made to see whether it is less.
 */
export const configTransferBytesMax = 1024 * 1024;
export const configChangeCostBytes = 10 * 1024;
export const configSnapshotAboveBytes = 8 * 1024 * 1024;
/** What a card offers to others at the same time; an offer that nobody asks for any more is forgotten after this. */
export const configTransfersMax = 8;
export const configTransferMs = 30_000;
/** A forwarded wish that is not answered is sent again after this. */
export const configForwardMs = 500;
/** Forwarded wishes that are not answered, and their bytes: one that is larger goes alone. */
export const configForwardWindow = 16;
export const configForwardWindowBytes = 64 * 1024;
/** A card whose database does not take a change that the others take waits for their word this long. */
export const configObjectMs = 5_000;
/** The store's pages are proven this often, and everything in it. A repair that has not come to its end after this is answered so. */
export const configCheckMs = 30_000;
export const configProveMs = 3_600_000;
export const configRepairMs = 120_000;
/** Heads are compared once nothing has been accepted for this long; not knowing the system's head for longer is an alarm. */
export const configSettleMs = 250;
export const configStaleMs = 10_000;
/** Parts of one large change. */
export const configPartsMax = 512;
/** Of these so many are under way to the order at a time. */
export const configPartsWindow = 16;
/** What was delivered between an announcement and its answer, in bytes. */
export const configRecordBytesMax = 16 * 1024 * 1024;

/** Older generations of a device that are remembered: what a copy has that is older than these is unrelated. */
export const generationsKeptMax = 12;
/** Copies of a device, the host's included; and the bytes of a leg's state in its superblock. */
export const legsMax = 8;
export const legStateBytesMax = 2_048;
/** What was said into the storage group and had no effect is said again after this; each card that speaks for all waits so much longer than the one below it. */
export const storageResayMs = 1_000;
export const storageTurnMs = 250;
/** An announcement that nobody answers is repeated; the first waits for so long, and who has not joined is waited for at the beginning. */
export const storageAnnounceMs = 500;
export const storageGatherMs = 10;
export const storageBeginMs = 1_000;
/** Pieces of all that is agreed on of storage in one message, and how many there may be. */
export const storagePieceBytesMax = 30 * 1024;
export const storagePiecesMax = 1_024;
/** How long a new primary host waits with hosts' requests for the legs in sync to be alike again, before it leaves out those that are not. */
export const storageReconcileMs = 3_000;
/** What failed at the engine is tried again after this; a peer that was lost so often in this time waits longer. */
export const storageRetryMs = 1_000;
/** An operator whose order is not in the order of messages by then is told so. */
export const storageOperateMs = 5_000;
/** A leg that could not be reached is looked at again after this. */
export const storageLookMs = 5_000;
export const storageFlapsMax = 3;
export const storageFlapsMs = 60_000;
export const storageFlapWaitMs = 5_000;
/** Bytes of a resource's configuration data. */
export const resourceDataBytesMax = 16 * 1024;

/** Buffers of a thread of the block engine: as many as requests under way may fill; they are given back when they are idle. */
export const blockPoolBytesMax: number = 128 * 1024 * 1024;

/** From SIGTERM to SIGKILL for a hook that is over its time. */
export const hookGraceMs = 250;
/** What is kept of a hook's output; and the description of an OCF resource agent. */
export const hookOutputBytesMax = 2_048;
export const agentMetadataBytesMax = 60 * 1024;
export const agentMetadataMs = 5_000;
/** Descriptions of agents that are remembered. */
export const agentsKeptMax = 64;
/** Hooks at work at a time that change something, and that only ask; what a driver runs at a time holds both. */
export const hookChangesMax = 48;
export const hookQuestionsMax = 16;
/** Orders that wait for one resource. */
export const hooksWaitingMax = 16;
/** The longest deadline of a hook, and how long after it the edge waits for what cannot be ended. */
export const hookDeadlineMsMax = 24 * 3_600_000;
export const hookOverdueMs = 2_000;
/** Between two looks at something that a hook waits for. */
export const hookRetryMs = 100;
/** How long those who use a file system that is to be unmounted have to end after SIGTERM, and how many a failed stop names. */
export const usersGraceMs = 5_000;
export const usersNamedMax = 5;
/** Announcements of an address: so many at once, the same after each of these, then one each period. */
export const announcementsAtOnce = 3;
export const announceAfterMs: readonly number[] = [1_000, 5_000];
export const announceEveryMs = 100_000;

/** Connections of hosts that are still in the handshake, of all and of one address; and how long it may take. */
export const nbdHandshakesMax = 256;
export const nbdHandshakesPerAddressMax = 64;
export const nbdHandshakeMs = 15_000;
/** An option's data: one that is longer is refused, and one that is longer still ends the connection. Options of one handshake. */
export const nbdOptionBytesMax = 16 * 1024;
export const nbdOptionSkippedBytesMax = 1024 * 1024;
export const nbdOptionsMax = 1_024;
/** How often one handshake is told the list of exports, which is long where there are many. */
export const nbdListsMax = 4;
/** The name of an export, UTF-8 (the protocol's own bound). */
export const nbdNameBytesMax = 4_096;
/** Connections of hosts over TLS: each keeps buffers in this program. */
export const nbdSecuredMax = 64;
/** The data of one request of a host. */
export const nbdRequestBytesMax = 32 * 1024 * 1024;

assert(
  applicationMessageBytesMax < entryBytesMax && entryBytesMax < messageBytesMax,
  "a message fits in an entry, and an entry in a frame's fragments",
);
assert(
  passBytesMax + entryBytesMax < messageBytesMax + passBytesMax && passBytesMax < entryBytesMax,
  "one large entry makes a pass of its own",
);
assert(
  applicationMessageBytesMax + applicationOverheadBytesMax <= applicationEventBytesMax &&
    2 * groupMembersMax * (memberNameBytesMax + 16) + applicationOverheadBytesMax <= applicationEventBytesMax,
  "an event holds the largest message, and a view with all members and their changes",
);
assert(
  configPieceBytesMax < messageBytesMax && configForwardBytesMax < messageBytesMax,
  "a piece of a configuration, and a wish, fit in a frame's fragments",
);
assert(
  configPartsMax * (applicationMessageBytesMax - 64 - 4 * (2 * configKeyBytesMax + auditCommentBytesMax)) > configChangeBytesMax,
  "the largest change fits in its parts",
);
assert(
  2 * applicationWindowMax <= applicationUnderWayMax && applicationWindowBytesMax >= applicationMessageBytesMax,
  "a client of ours is always read, and may send the largest message",
);
assert(viewGraceMs > 2 * viewMuteMs, "a coordinator that is mute is replaced before anything stops");
assert(
  leaseStallShare + leaseServeShare + 1 <= leaseTimeouts,
  "a card that stood still, was fed once more, served on and was reset by its watchdog has stopped before its lease is over",
);
assert(retainedEntriesMax >= pendingEntriesMax, "what one card may have under way can be given to one that was away");
assert(
  serialHeartbeatBytesMax <= serialAdvertBytesMax && serialAdvertBytesMax <= serialFrameBytesMax,
  "serial frames hold heartbeats and adverts",
);
assert(serialHeartbeatLoadMax + serialAdvertLoadMax <= 0.6, "the serial line keeps room for what is urgent");
assert(
  fragmentCountMax * (serialFrameBytesMax - fragmentOverheadBytesMax) >= messageBytesMax,
  "the largest message fits in serial fragments",
);
assert(reassemblyPerSenderMax <= reassemblyMax, "one sender cannot fill the reassembly");
assert(reassemblyMax * messageBytesMax <= 4 * 1024 * 1024, "reassembly stays under 4 MiB for a link");
assert(replayWindow <= 64, "the replay window is kept in two 32-bit words");
assert(serialAdvertBytes + slotCountMax * serialEchoBytes <= serialAdvertBytesMax, "an advert with a full chassis keeps within its bytes");
assert(multiplexorUnheardMs > 3 * multiplexorPeriodMs, "three lost power reports are no dead multiplexor");
assert(advertGapMs < advertPeriodMs, "a triggered advert comes sooner than the periodic one");
assert(advertPeriodMs < advertSteadyMs, "adverts come more often while somebody waits for them");
assert(lldpTtlS * 1_000 > 3 * lldpPeriodMs, "a neighbour survives three lost LLDP frames");
assert(auditTextBytesMax <= configValueBytesMax, "a row of the audit is a row as any other");
assert(failuresKept > 2 * 100, "as many failures are remembered as any setting counts");
assert(chainBytesMax >= 10_000 * (5 * 1024 + 256) && chainChangesMax >= 10_000, "ten thousand changes of 5 KiB each stay in the chain");
