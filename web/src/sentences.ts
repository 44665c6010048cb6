// Owns every sentence that the page shows or reads out, and those about a server that breaks the protocol. Used by
// all parts. Never decides when a sentence is said. One file, so that a translator or a careful reader needs no other.

import type { Problem } from "./session/words.ts";
import type { InviteProblem } from "./wire/invite.ts";
import type { NameProblem } from "./wire/name.ts";
import type { ActReply } from "./wire/types.ts";

/** How a server broke the protocol. */
export const fault = {
  misread: (what: string, why: string) => `${what} cannot be read: ${why}`,
  prev: (seq: number, prev: number) => `it sent message ${seq} and said that message ${prev} was before it`,
  jump: (seq: number, newest: number) => `it sent the number ${seq} where the newest one was ${newest}`,
  head: (head: number) => `it says that its newest message is number ${head}`,
  falls: (seq: number, newest: number) => `it sent message ${seq} after message ${newest}`,
  wrongAnswer: (op: string, got: string) => `it answered ${op} with "${got.slice(0, 32)}"`,
  copy: (seq: number, of: "text" | "place" | "author") => {
    const what = { text: "another text", place: "another room or user", author: "another author" }[of];
    return `its copy of a message, number ${seq}, has ${what}; it is not known whether the message was kept`;
  },
  page: "the answer to HISTORY: its messages are not in order, or not those that were asked for",
  silent: "the server has fallen silent",
  noAnswer: "no answer within 10 s",
  closed: "the connection was closed",
  lateLogin: "an earlier login of this page came late, and took the session over",
  otherServer: "the session of this tab belongs to another server",
  noRelay: ["`tcp-chat-cli web` has ended.", "Start it again for the same server: this tab then goes on by itself."],
  isOver: "the session is over",
  tooMany: "too many requests are on their way already",
};

/** Why something was not done, for a person. */
export function problemText(problem: Problem): string {
  switch (problem.kind) {
    case "no-connection":
      return `No connection to the server: ${problem.why}.`;
    case "login-refused":
      return sentence(problem.msg, problem.until);
    case "refused":
      return problem.error === "UNKNOWN_OP" ? say.tooOld : sentence(problem.msg, problem.until);
    case "timed-out":
      return `The server did not answer ${problem.what} within ${problem.afterMs / 1000} s.`;
    case "closed":
      if (problem.how === "taken-over") return "The session goes on in another window.";
      if (problem.how === "quit") return say.youLeft;
      return `The server has ended the session. ${sentence(problem.msg, undefined)}`;
    case "unconfirmed":
      return say.fateUnknown;
    case "invalid":
      return `Not sent: ${problem.why}.`;
    case "protocol":
      return `The server does not speak the tcp-chat protocol: ${problem.what}.`;
  }
}

/** The daemon's sentences begin with a small letter and have no full stop. */
function sentence(msg: string, until: string | undefined): string {
  const first = msg.charAt(0).toUpperCase() + msg.slice(1);
  const end = /[.!?]$/.test(first) ? "" : ".";
  if (until === undefined) return `${first}${end}`;
  // Most of these sentences name the time already, as the wire writes it.
  if (first.includes(until)) return `${first.replace(until, moment(until))}${end}`;
  return `${first}${end} It ends on ${moment(until)}.`;
}

function moment(ts: string): string {
  return new Date(ts).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
}

/** So many of a thing: `1 member`, `2 members`. */
export function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}

/** The beginning of a long text. */
function beginning(text: string, most: number): string {
  const chars = [...text];
  return chars.length > most ? `${chars.slice(0, most).join("")} …` : text;
}

/** Lines as one line. */
export function oneLine(text: string): string {
  return text.replace(/\s+/g, " ");
}

/** An explanation of each command, for the help. */
export const COMMAND_HELP: { [command: string]: string } = {
  join: "join a room; it is created if there is none",
  leave: "leave a room, or close direct messages",
  room: "show another conversation (also #room or @user)",
  msg: "direct messages with a user",
  who: "the members of the room; * is everyone on the server",
  rooms: "the rooms of the server",
  search: 'search the messages: words, "phrases", prefix*',
  kick: "remove a user from this room (moderators)",
  mute: "stop a user from writing here, for 10m, 2h, 7d",
  unmute: "let a user write again",
  ban: "keep a user out of this room",
  unban: "let a user in again",
  role: "owner, moderator, member, read-only or none",
  private: "on: only users with a role here know of this room",
  topic: "show or set what the room is for; - removes it",
  redact: "remove your newest message here, or another one",
  unread: "go to the first message that you have not read",
  notify: "notifications of mentions and direct messages",
  sound: "a sound for mentions and direct messages",
  theme: "light or dark colours",
  connect: "log in again after the session has ended",
  help: "keys and commands",
  quit: "log out: the session ends and your name is free",
};

export const KEYS: readonly (readonly [string, string])[] = [
  ["Enter", "send"],
  ["Shift-Enter", "a new line in the message"],
  ["Tab, Shift-Tab", "complete names, rooms, commands, :emoji:"],
  ["Up, Down", "what you typed before"],
  ["Page Up, Page Down", "scroll the messages"],
  ["Ctrl-Home, Ctrl-End", "the oldest message that is here; the newest"],
  ["Delete", "remove the message that the arrows have chosen"],
  ["Esc", "close what is open; go to the newest message"],
  ["Ctrl-K", "switch to another conversation"],
  ["Ctrl-Shift-F", "search"],
  ["Alt-Up, Alt-Down", "the conversation before, the next"],
  ["Alt-1 to Alt-9", "the conversation of that number"],
  ["Alt-A", "the next conversation with something new"],
  ["Alt-N", "the first message that you have not read"],
  ["F1", "this help"],
];

export const say = {
  product: "tcp-chat",
  // Entering.
  serverMissing: "Type the server, or paste an invite.",
  inviteProblem: {
    host: "This is no address of a server. Write HOST, HOST:PORT, or paste the whole line of the invite.",
    scheme: "An address of a server begins with tcps:// or with its host.",
    port: "A port is a number from 1 to 65535.",
    room: "The room in this invite cannot be a name.",
    join: "This join line is not complete. Paste it as you got it.",
    pin: "The pin in this invite is not complete: 64 digits and letters behind the #. Paste the whole line.",
  } satisfies Record<InviteProblem, string>,
  certificateInvite: "This line is for a client certificate. A browser page cannot hold one: use it with tcp-chat-cli.",
  choosePassword: "Choose a password: this line registers your name.",
  nameProblem: {
    empty: "Type the name that others will see.",
    long: "A name has at most 32 characters.",
    characters: "A name is made of letters and digits, with _ - . inside: no spaces and no emoji.",
    shape: "A name begins and ends with a letter or a digit.",
  } satisfies Record<NameProblem, string>,
  colourProblem: "A colour is one of the six, or #rrggbb.",
  noName: (text: string) => `"${text}" cannot be a name: letters and digits, with _ - . inside.`,
  // The connection.
  caughtUp: (messages: number) => (messages === 0 ? "Connected again." : `Connected again, caught up ${count(messages, "message")}.`),
  connectionLost: "The connection is lost. Trying again.",
  stalled: "The server can keep nothing new for now. What you send waits; reading and searching go on.",
  stalledNoMore: "The server keeps messages again.",
  sessionLost: "The session had ended meanwhile. This is a new one.",
  logReplaced: (from: number) =>
    `The server's history was replaced, as after the restore of a backup. It goes on after message ${from}.`,
  gap: (from: number, to: number) => `The server no longer keeps messages between ${from} and ${to}.`,
  chainBroken: (last: number, prev: number, seq: number) =>
    `A message is missing: message ${seq} follows ${prev}, and the last one here was ${last}.`,
  operatorSays: (text: string) => `The operator says: ${text}`,
  serverSays: (text: string) => `The server says: ${text}`,
  sessionOver: "Not sent: the session is over. Log in again first.",
  goesOn: "The session goes on by itself. There is nothing to do.",
  tooOld: "This server is of an older version, and cannot do that.",
  elsewhere: "This session is open in another tab.",
  youLeft: "You have left.",
  // Messages.
  notSent: (why: string) => `Not sent. ${why}`,
  fateUnknown: "The session ended before the server confirmed the message. It may or may not have been kept.",
  tooLong: (bytes: number, bound: number) => `Not sent: ${bytes} bytes; the server takes ${bound}.`,
  tooManyWaiting: "Not sent: too many messages are on their way already.",
  draftInTheWay: "Send or clear what you are typing first.",
  announceMessage: (user: string, text: string) => `${user}: ${beginning(text, 200)}`,
  ring: (user: string, title: string) => (title.startsWith("@") ? `${user} wrote to you` : `${user} mentioned you in ${title}`),
  removed: (by: string | undefined, reason: string | undefined) =>
    `message removed by ${by ?? "an operator"}${reason ? `: ${reason}` : ""}`,
  messageRemoved: (seq: number) => `Message ${seq} was removed.`,
  wroteNothing: "You have written nothing here.",
  noMessageOf: (user: string) => `There is no message of ${user} here.`,
  topicChanged: (by: string | undefined, topic: string) =>
    topic === "" ? `${by ?? "An operator"} has removed the topic` : `${by ?? "An operator"} has set the topic: ${beginning(oneLine(topic), 100)}`,
  noTopic: "This room has no topic.",
  topicIs: (topic: string) => `Topic: ${topic}`,
  topicTooLong: (chars: number, bound: number) => `The topic is too long: ${chars} characters; at most ${bound}.`,
  joined: (user: string) => `${user} has joined`,
  left: (user: string) => `${user} has left`,
  historyFailed: (title: string, why: string) => `The history of ${title} did not come. ${why}`,
  // Commands.
  noSuchCommand: (word: string) => `There is no /${word}. /help lists the commands; // begins a text with /.`,
  didYouMean: (word: string, meant: string) => `There is no /${word}. Did you mean /${meant}?`,
  noRoom: "You are in no room. Join one first.",
  notIn: (which: string) => `You are not in ${which}. Join it first.`,
  aboutARoom: "This is about a room. Show one first.",
  allRead: "Everything here is read.",
  notifyOn: "Mentions and direct messages make a notification.",
  notifyOff: "No notifications.",
  notifyDenied: "The browser does not allow notifications for this page.",
  soundOn: "Mentions and direct messages make a sound.",
  soundOff: "No sound.",
  found: (hits: number, more: boolean) => (hits === 0 ? "Nothing was found." : `${hits}${more ? " and more" : ""} found.`),
  notIndexed: (indexed: number, head: number) => {
    const newer = head - indexed;
    const what = newer === 1 ? "1 newer message is" : `${newer.toLocaleString("en")} newer messages are`;
    return `Searched up to ${indexed.toLocaleString("en")}; ${what} not indexed yet.`;
  },
  noTime: (text: string) => `"${text}" is no time. Write 10m, 2h or 7d, or nothing: until it is taken back.`,
  reasonTooLong: (bytes: number) => `The reason is too long: at most ${bytes} bytes.`,
  actionDone: (op: string, done: ActReply) => {
    const user = done.user ?? "";
    const place = done.room === undefined ? "the server" : `#${done.room}`;
    const until = done.until === undefined ? "" : ` until ${moment(done.until)}`;
    switch (op) {
      case "KICK": return `${user} was removed from ${place}.`;
      case "MUTE": return `${user} is muted in ${place}${until}.`;
      case "UNMUTE": return `${user} may write in ${place} again.`;
      case "BAN": return `${user} is banned from ${place}${until}.`;
      case "UNBAN": return `${user} may join ${place} again.`;
      case "GRANT": return done.role === undefined ? `${user} has no role in ${place} now.` : `${user} is ${done.role} in ${place} now.`;
      default:
        return done.private === true ? `${place} is private now.` : `${place} is public now.`;
    }
  },
};

/** Labels of buttons, fields and regions, and the short texts that stand in the page. */
export const ui = {
  enter: "Enter the chat", server: "Server or invite", invite: "Invite or join line (if you have one)",
  inviteHint: "Paste the whole line that you were sent.", name: "Name", colour: "Colour", ownColour: "Other colour",
  noColour: "none", password: "Password", passwordHint: "Only if the server or your name has one.",
  newPassword: "Choose a password", remember: "Stay logged in on this device",
  rememberHint: "Otherwise this tab alone knows your session.", logIn: "Enter", loggingIn: "Entering …",
  rooms: "Rooms", directs: "Direct messages", browse: "Join or create a room", switcher: "Go to …",
  members: "Members", search: "Search", help: "Keys and commands", leave: "Log out", leaveRoom: "Leave room", closeTalk: "Close",
  menu: "Menu", close: "Close", cancel: "Cancel", back: "Back", more: "More", settings: "Settings", theme: "Theme",
  themes: { system: "as the system", light: "light", dark: "dark" }, notify: "Notifications", sound: "Sound",
  makePrivate: "Make private", makePublic: "Make public", privateRoom: "private", message: "Message",
  remove: "Remove", removeText: "Its text is removed for everyone, and cannot be brought back. Everyone sees who removed it, and why.",
  removeReason: "Reason (everyone sees it)", editTopic: "Topic", topicField: "What the room is for; empty: no topic", save: "Save",
  messageNumber: (seq: number) => `Message ${seq}`,
  kick: "Remove from room", mute: "Mute", unmute: "Unmute", ban: "Ban", unban: "Unban", role: "Role",
  write: (title: string) => `Write to ${title}`, send: "Send", splitInto: (n: number) => `Send as ${n} messages`,
  bytes: (bytes: number, bound: number) => `${bytes} of ${bound} bytes`,
  messagesIn: (title: string) => `Messages in ${title}`, newSince: (time: string) => `New since ${time}`, newBelow: (n: string) => `${n} new`, firstUnread: "First unread message", toEnd: "Newest messages",
  loading: "Loading …", nothingSaid: "Nothing has been said here yet.", startOf: (title: string) => `This is the beginning of ${title}.`,
  noTalk: "You are in no room.", showAll: (lines: number) => `Show all ${lines} lines`, showLess: "Show less",
  sending: "sending", kept: (seq: number) => `kept by the server as message ${seq}`, refused: (why: string) => `Not sent. ${why}`,
  unknown: "It is not known whether this was kept.", look: "Look", sendAgain: "Send again", edit: "Edit", drop: "Discard",
  you: "you", here: "here", away: "away", state: (state: string) => (state === "here" ? "here" : state === "away" ? "away" : "unknown"),
  unreadBadge: (unread: string, mentions: number) =>
    mentions > 0 ? `${count(mentions, "mention")}, ${unread} unread` : `${unread} unread`,
  connected: "Connected", stalled: "Connected, nothing new for now", connecting: "Connecting …", notConnected: "Not connected", over: "The session is over",
  caughtUp: (messages: number) => `Connected, caught up ${messages}`,
  reconnecting: (seconds: number) => (seconds > 0 ? `Reconnecting in ${seconds} s` : "Reconnecting …"),
  now: "Now", logInAgain: "Log in again", elsewhere: "This session is open in another tab.", useHere: "Use it here",
  verified: { CA: "Verified by its CA", pin: "Verified by pin", browser: "Verified by the browser" },
  searchFor: "Words, \"phrases\", prefix*", searchButton: "Search", searching: "Searching …", nothingFound: "Nothing was found.",
  moreResults: "More results", filterRooms: "Find a room, or type a new name", create: (room: string) => `Create #${room}`,
  joined: "joined", switchTo: "Go to a room or a person", everyone: "Everyone on the server", onPlace: (n: number, place: string) => `${n} on ${place}`,
  andMore: (n: number) => `and ${n} more`, pasteTitle: (lines: number) => `Paste ${lines} lines?`, paste: "Paste",
  reason: "Reason (the user is told)", time: "For how long", timeHint: "10m, 2h, 7d; empty: until it is taken back",
  quitTitle: (n: number) => `${count(n, "message")} not kept yet`, quitText: "They are sent before you log out, if the server can be reached.",
  quit: "Log out", keysTitle: "Keys", commandsTitle: "Commands",
  action: (op: string, user: string, title: string) =>
    ({ KICK: `Remove ${user} from ${title}?`, MUTE: `Mute ${user} in ${title}?`, BAN: `Ban ${user} from ${title}?`,
      GRANT: `Change the role of ${user} in ${title}?`, REDACT: "Remove this message?",
      TOPIC: `Topic of ${title}` })[op] ?? `Change ${title}?`,
  privateText: "Only users with a role in this room will know of it. Others are removed.",
  publicText: "Everybody on the server will be able to join this room.",
  actionsFor: (user: string) => `Actions for ${user}`, offered: "Completions", marks: (n: number) => `<+${n} marks>`,
  details: "Details",
  firstVisit: "Paste the invite that you were sent (tcps://…). With it this page knows which server to trust.",
  shut: "This tab was not let in.",
  skip: "Skip to the message field",
};
