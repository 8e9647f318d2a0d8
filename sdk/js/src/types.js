/**
 * Types only. Shapes of the API come from `openapi.d.ts`, which is generated.
 *
 * @typedef {import('./openapi.js').components['schemas']} Schemas
 * @typedef {Schemas['Message']} Message
 * @typedef {Schemas['ChatItem']} ChatItem
 */

/**
 * A frame of the server. `docs/asyncapi.json` has the members of each type.
 * @typedef {{type: string, [member: string]: any}} Frame
 */

/**
 * Who is signed in. Times are milliseconds since 1970.
 * @typedef {object} SessionData
 * @property {string} [access] the access token; absent in a stored session whose refresh token is a cookie
 * @property {number} access_expires_at
 * @property {number} lifetime the milliseconds for which the access token was valid when it was issued
 * @property {string | true} [refresh] the refresh token; `true`: the browser has it in a cookie
 * @property {{id: string, username: string}} user
 * @property {string} device_id
 */

/**
 * @typedef {'stopped' | 'offline' | 'connecting' | 'syncing' | 'live' | 'waiting' | 'signed_out'} StateName
 */

/**
 * `until` and `attempt` belong to `waiting`, `reason` to `waiting`, `signed_out` and, after an error, `stopped`.
 * @typedef {{state: StateName, until?: number, attempt?: number, reason?: string}} Status
 */

/**
 * A message or change that is not acknowledged.
 * @typedef {object} Pending
 * @property {string} request_id
 * @property {string} chat_id
 * @property {number} created milliseconds since 1970, strictly ascending: the order of a chat
 * @property {'pending' | 'failed'} state
 * @property {Frame} frame what is sent
 * @property {(number | null | undefined)[]} [seqs] of the messages that it changes, as far as they are known
 * @property {string} [by] the id of the user who sends it
 * @property {string} [code] why it failed
 * @property {string} [reason]
 * @property {string} [detail] what is wrong, for people
 * @property {boolean} [retryable]
 */

/**
 * The answer to a message or change.
 * @typedef {object} Ack
 * @property {string} request_id
 * @property {string} chat_id
 * @property {number | null} seq `null`: nothing changed, or the event follows later
 * @property {boolean} duplicate
 * @property {string} [message_id] of a message
 * @property {'delivered' | 'stored'} [status] of a message
 * @property {string} [created_at] of a message
 */

/**
 * `stored` resolves when it survives a restart; `done` with the answer of the server. `done` rejects if it is not
 * stored there.
 * @typedef {{request_id: string, stored: Promise<void>, done: Promise<Ack>}} Sending
 */

/**
 * What the client knows of a chat.
 * @typedef {object} ChatRow
 * @property {string} id
 * @property {number} applied the cursor: every event up to this `seq` is in the store
 * @property {[number, number][]} segments ranges of `seq` of which the store has every message, ascending; the last one ends at
 *   `applied`, and may be empty (`[applied + 1, applied]`)
 * @property {ChatItem} [item]
 * @property {boolean} [stale] there are events after `applied` that were not fetched
 * @property {boolean} [unsent] the draft was not sent
 * @property {number} [read_to] a read marker that the server has not confirmed
 */

/**
 * A chat in memory.
 * @typedef {object} Chat
 * @property {string} id
 * @property {ChatRow} [row] absent: the chat is not known yet, and its frames are held
 * @property {Map<number, Frame>} held events that came before an earlier one
 * @property {Timer} hold
 * @property {Timer} told when others learn what this device has
 * @property {number} head the highest `seq` that was heard of
 * @property {boolean} busy something about it is being fetched
 */

/**
 * A durable event as it is stored: a message, or a change of the chat that is shown in its history.
 * @typedef {{chat_id: string, seq: number, type: string, message?: Message, expires?: number, [member: string]: any}} EventRow
 */

/**
 * Changes the stored message at `[chat_id, seq]`, if there is one. Something older than its last change does nothing.
 * @typedef {object} Patch
 * @property {'patch'} op
 * @property {string} chat_id
 * @property {number} seq
 * @property {number} [changed_seq]
 * @property {boolean} [erase] deletes the content
 * @property {Partial<Message>} [set]
 */

/**
 * A change of the store.
 * @typedef {{op: 'put', table: Table, row: any}
 *   | {op: 'delete', table: Table, key: string}
 *   | {op: 'trim', chat_id: string, below: number}
 *   | {op: 'expire', now: number, erase: true}
 *   | Patch} Op
 * @typedef {'chats' | 'events' | 'outbox' | 'kv'} Table
 */

/**
 * @typedef {import('./openapi.js').paths} Paths
 * @typedef {'get' | 'post' | 'put' | 'patch' | 'delete'} Method
 */

/**
 * @template {Method} M
 * @typedef {{[K in keyof Paths]: K extends `/api/v1${infer P}` ? (Paths[K] extends {[Name in M]: {responses: any}} ? P : never) : never}[keyof Paths]} PathOf
 */

/**
 * @template {string} P
 * @template {Method} M
 * @typedef {`/api/v1${P}` extends keyof Paths ? (M extends keyof Paths[`/api/v1${P}`] ? Paths[`/api/v1${P}`][M] : never) : never} OperationOf
 */

/**
 * What replaces `{name}` in the path, and the query.
 * @template O
 * @typedef {O extends {parameters: infer A}
 *   ? (A extends {path: infer P} ? P : {}) & (A extends {query?: infer Q} ? (Q extends undefined ? {} : Q) : {}) : {}} ParamsOf
 */

/**
 * @template O
 * @typedef {O extends {requestBody: {content: {'application/json': infer B}}} ? B : undefined} BodyOf
 */

/**
 * @template O
 * @typedef {O extends {responses: infer R}
 *   ? {[S in keyof R]: S extends 200 | 201 | 202 ? (R[S] extends {content: {'application/json': infer A}} ? A : never) : never}[keyof R]
 *   : never} AnswerOf
 */

/**
 * Requests below `/api/v1`. What `{name}` in the path stands for is taken from `params`; the other `params` are the query.
 * @typedef {object} Rest
 * @property {<P extends PathOf<'get'>>(path: P, params?: ParamsOf<OperationOf<P, 'get'>>) => Promise<AnswerOf<OperationOf<P, 'get'>>>} get
 * @property {<P extends PathOf<'post'>>(path: P, body?: BodyOf<OperationOf<P, 'post'>>, params?: ParamsOf<OperationOf<P, 'post'>>) => Promise<AnswerOf<OperationOf<P, 'post'>>>} post
 * @property {<P extends PathOf<'put'>>(path: P, body?: BodyOf<OperationOf<P, 'put'>>, params?: ParamsOf<OperationOf<P, 'put'>>) => Promise<AnswerOf<OperationOf<P, 'put'>>>} put
 * @property {<P extends PathOf<'patch'>>(path: P, body?: BodyOf<OperationOf<P, 'patch'>>, params?: ParamsOf<OperationOf<P, 'patch'>>) => Promise<AnswerOf<OperationOf<P, 'patch'>>>} patch
 * @property {<P extends PathOf<'delete'>>(path: P, params?: ParamsOf<OperationOf<P, 'delete'>>) => Promise<AnswerOf<OperationOf<P, 'delete'>>>} delete
 * @property {(method: string, path: string, options?: RequestOptions) => Promise<any>} request any request, without types
 *
 * @typedef {object} RequestOptions
 * @property {Record<string, any>} [params]
 * @property {any} [body]
 * @property {string | null} [token] instead of the session's; `null`: none
 * @property {boolean} [cookie] whether the refresh token is a cookie, which this request needs
 */

/**
 * Where the client keeps its data. Keys of the tables: `chats` `id`, `events` `[chat_id, seq]`, `outbox` `request_id`,
 * `kv` `key`.
 * @typedef {object} Store
 * @property {string} [shared] a name, if all tabs of the browser see this store: then one of them holds the connection
 * @property {number} capacity how many `seq`s of a chat are kept
 * @property {() => Promise<void>} open
 * @property {(key: string) => Promise<any>} get a value of `kv`
 * @property {() => Promise<ChatRow[]>} chats
 * @property {(chatId: string, from: number, to: number, limit: number, backwards: boolean) => Promise<EventRow[]>} events the
 *   messages and events with `from <= seq <= to`, ascending, or descending if `backwards`
 * @property {() => Promise<Pending[]>} outbox in any order
 * @property {(ops: Op[]) => Promise<void>} write makes all changes, in order, or none
 * @property {() => Promise<void>} wipe deletes everything
 * @property {() => Promise<void>} close
 */

/**
 * Messages of a timeline, in ascending order.
 * @typedef {{messages: Message[], has_previous: boolean, has_next: boolean}} Page
 * @typedef {{before?: number, after?: number, around?: number, limit?: number}} PageQuery
 */

/**
 * The time. Replaced in tests.
 * @typedef {object} Clock
 * @property {() => number} now milliseconds since 1970
 * @property {(fn: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 */

/**
 * What the client learns from its surroundings.
 * @typedef {object} Environment
 * @property {() => boolean} online
 * @property {() => boolean} hidden
 * @property {(fn: (change: Change) => void) => () => void} listen returns what ends it
 * @typedef {'online' | 'offline' | 'visible' | 'hidden' | 'jump'} Change
 */

/**
 * What `edit`, `delete` and `react` change: a message, or what `done` of `send` resolves with.
 * @typedef {{id: string, seq?: number} | {message_id?: string, seq?: number | null}} Target
 */

/**
 * @typedef {object} Options
 * @property {string} url of chat-service, such as `http://localhost:8080`
 * @property {string} [webSocketUrl] by default port 8082 of the same host if `url` has a port, else its path `/ws`
 * @property {Store} [store] by default in memory
 * @property {SessionData} [session] of a former run, if the store does not have it
 * @property {boolean} [delivered] whether to tell others which messages this device has received; true by default
 * @property {new (url: string, protocols: string[]) => any} [webSocket] needed before Node.js 22: the class of `ws`
 * @property {typeof globalThis.fetch} [fetch]
 * @property {Clock} [clock]
 * @property {() => number} [random]
 * @property {() => string} [uuid]
 * @property {Environment} [environment]
 * @property {LockManager | null} [locks] Web Locks; `null`: none
 * @property {typeof BroadcastChannel | null} [channel]
 * @property {Pick<Console, 'error'>} [log] gets what a listener throws
 */

/**
 * What `on` is called with, by the name of the event.
 * @typedef {object} Events
 * @property {Status} state
 * @property {Frame & {chat_id: string, seq: number, message: Message}} message a message has its place in the chat
 * @property {Frame} event another event of a chat, or a frame that has no event of its own here
 * @property {Frame} typing
 * @property {Frame} presence
 * @property {Frame} receipt
 * @property {{type: 'chat_created' | 'chat_changed' | 'chat_removed' | 'chats', chat_id?: string, chat?: ChatItem, reason?: string}} chat
 * @property {{chat_id: string, from_seq: number, to_seq: number, skipped: boolean, restored?: boolean}} gap events are missing:
 *   they are being fetched, or, if `skipped`, the history starts again after them
 * @property {{type: 'added' | 'done' | 'failed' | 'cancelled', entry: Pending, ack?: Ack}} outbox
 * @property {Frame} system
 * @property {{code: string, message?: string, [member: string]: any}} error
 */

/**
 * What the parts of a client have in common.
 * @typedef {object} Context
 * @property {string} url of the API, such as `http://localhost:8080`
 * @property {string} webSocketUrl
 * @property {typeof globalThis.fetch} fetch
 * @property {new (url: string, protocols: string[]) => any} webSocket
 * @property {boolean} delivered whether to tell others what this device has received
 * @property {() => number} now
 * @property {() => Timer} timer
 * @property {() => number} random
 * @property {() => string} uuid
 * @property {Environment} environment
 * @property {string} [name] of the store, if other tabs see it
 * @property {any} shared whether one of the tabs leads: then no other one writes the store
 * @property {Rest} rest
 * @property {import('./session.js').Session} session
 * @property {import('./storage.js').Storage} storage
 * @property {Store} store
 * @property {(name: string, data: any) => void} emit
 *
 * @typedef {object} Timer at most one call is planned
 * @property {(ms: number, fn: () => void) => void} set
 * @property {() => void} clear
 * @property {boolean} on
 */

export {};
