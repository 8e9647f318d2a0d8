"""Uses a generated client: python smoke.py FOLDER, which holds the package neonchat_client."""

import importlib
import pkgutil
import sys

sys.path.insert(0, sys.argv[1])
import neonchat_client  # noqa: E402
from neonchat_client import models  # noqa: E402

modules = [module.name for module in pkgutil.walk_packages(neonchat_client.__path__, "neonchat_client.")]
for name in modules:
    importlib.import_module(name)

ID, TIME = "01890a5d-ac96-774b-bcce-b302099a8057", "2026-01-02T03:04:05.000006Z"
message = {"id": ID, "chat_id": ID, "sender_id": ID, "text": "Hello", "created_at": TIME, "updated_at": TIME, "seq": 1}
page = models.Events.from_dict(
    {"events": [{"type": "message", "seq": 1, "message": message}], "first_seq": 1, "head_seq": 1, "has_more": False}
)
assert page.events[0].message.text == "Hello"
edit = {"type": "message_edited", "chat_id": ID, "seq": 2, "by": ID, "at": TIME, "message": {**message, "changed_seq": 2}}
page = models.Events.from_dict({"events": [edit], "first_seq": 1, "head_seq": 2, "has_more": False})
assert isinstance(page.events[0], models.MessageEditedEvent) and page.events[0].message.changed_seq == 2
added = {"type": "members_added", "chat_id": ID, "seq": 3, "by": ID, "at": TIME, "user_ids": [ID], "via": "add", "member_count": 2}
page = models.Events.from_dict({"events": [added], "first_seq": 1, "head_seq": 3, "has_more": False})
assert isinstance(page.events[0], models.MembersAddedEvent) and page.events[0].member_count == 2
problem = {"type": "urn:neonchat:error:not_found", "title": "t", "status": 404, "detail": "d", "request_id": "r"}
assert models.Problem.from_dict({**problem, "code": "not_found"}).code == models.ErrorCode.NOT_FOUND

count = len(models.__all__)
problems = [name for name in models.__all__ if "Problem" in name]
assert problems == ["Problem"], problems
# A generator that makes a model of each place that uses a schema makes several hundred.
assert count < 200, f"{count} models"
arms = models.Events.__annotations__["events"]
assert "MessageEvent" in arms, arms
print(f"python: {len(modules)} modules, {count} models, events are {arms}")
