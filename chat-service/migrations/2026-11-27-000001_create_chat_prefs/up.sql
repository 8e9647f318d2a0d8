-- What a member has set for themselves about a chat. Most members have no row: everything is then as by default. Rows go with the
-- membership.
CREATE TABLE chat_prefs (
    user_id     UUID     NOT NULL,
    chat_id     UUID     NOT NULL,
    muted_until TIMESTAMPTZ,
    -- 0 all, 1 mentions, 2 none.
    level       SMALLINT NOT NULL DEFAULT 0,
    archived    BOOLEAN  NOT NULL DEFAULT FALSE,
    pin_place   SMALLINT CHECK (pin_place BETWEEN 1 AND 20),
    -- The chat is marked as unread while this is the member's read marker. So sending a message ends it without a write here.
    marked_seq  BIGINT,
    folder      TEXT,
    draft       TEXT CHECK (char_length(draft) BETWEEN 1 AND 4096),
    -- The message that the draft answers.
    reply_to    UUID,
    -- When the draft was last changed; also after it was deleted.
    draft_at    TIMESTAMPTZ,

    PRIMARY KEY (user_id, chat_id)
)
-- Drafts are rewritten often. They are in no index, so with room the update stays in the page (HOT).
WITH (fillfactor = 80);

CREATE UNIQUE INDEX chat_prefs_pins ON chat_prefs (user_id, pin_place) WHERE pin_place IS NOT NULL;
-- What the list of chats and the number of unread ones select or leave out. With the usual settings nothing is in them.
CREATE INDEX chat_prefs_archived ON chat_prefs (user_id, chat_id) WHERE archived;
CREATE INDEX chat_prefs_muted ON chat_prefs (user_id, muted_until, chat_id) WHERE muted_until IS NOT NULL;
CREATE INDEX chat_prefs_marked ON chat_prefs (user_id, chat_id, marked_seq) WHERE marked_seq IS NOT NULL;
CREATE INDEX chat_prefs_folders ON chat_prefs (user_id, folder, chat_id) WHERE folder IS NOT NULL;
-- For the deletion of closed chats.
CREATE INDEX chat_prefs_chat ON chat_prefs (chat_id);
