// Compiled against the generated types: the shapes that a client relies on.
import type { components, operations, paths } from "./openapi";

type Schemas = components["schemas"];

// An event is told apart by its type.
export function textOf(event: Schemas["Event"]): string | undefined {
  switch (event.type) {
    case "message":
      return event.message.text;
    case "message_edited":
      return event.message?.text ?? event.message_id;
    case "messages_deleted":
      return event.messages.map(({ id }) => id).join();
    case "members_added":
    case "members_removed":
      return event.user_ids.join();
    case "chat_updated":
      return event.title;
    case "member_changed":
    case "chat_closed":
    case "unknown":
      return undefined;
  }
}

// Ids are named types. A group has no partner.
export const partnerOf = (chat: Schemas["ChatItem"]): Schemas["UserId"] | undefined => chat.partner?.id;

// Every problem is the same type, whichever operation it comes from.
type ProblemOf<Operation extends keyof operations, Status extends number> =
  operations[Operation]["responses"] extends Record<Status, { content: { "application/problem+json": infer Body } }>
    ? Body
    : never;
export const codes = (
  invalid: ProblemOf<"send_message", 422>,
  limited: ProblemOf<"list_chats", 429>,
): Schemas["ErrorCode"][] => [invalid as Schemas["Problem"], limited as Schemas["Problem"]].map(({ code }) => code);

// A request with only what is required.
export const send: paths["/api/v1/chats/{id}/messages"]["post"]["requestBody"]["content"]["application/json"] = {
  text: "Hello",
};
