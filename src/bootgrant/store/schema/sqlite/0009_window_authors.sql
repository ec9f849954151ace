-- Who armed a window and how they signed in, each in a column of its own. They are taken once from armed_by, which is a
-- text for people: "ana", "ana (passkey)", "root (admin.sock)", "ana (token:laptop)" with the owner of the token, or
-- "ci (token:ci)" for a token without an owner, where author stays empty. Nothing reads armed_by any more.
ALTER TABLE windows ADD COLUMN author TEXT NOT NULL DEFAULT '';

ALTER TABLE windows ADD COLUMN author_via TEXT NOT NULL DEFAULT '';

UPDATE windows SET author = armed_by, author_via = 'session';

UPDATE windows SET author_via = 'admin.sock' WHERE armed_by = 'admin.sock';

UPDATE windows SET
    author = substr(armed_by, 1, instr(armed_by, ' (') - 1),
    author_via = substr(armed_by, instr(armed_by, ' (') + 2, length(armed_by) - instr(armed_by, ' (') - 2)
    WHERE instr(armed_by, ' (') > 0;

UPDATE windows SET author = substr(armed_by, 1, length(armed_by) - 13), author_via = 'admin.sock'
    WHERE substr(armed_by, -13) = ' (admin.sock)';

UPDATE windows SET
    author = COALESCE((SELECT owner FROM api_tokens WHERE 'token:' || api_tokens.name = windows.author_via), '')
    WHERE author_via = 'token:' || author;
