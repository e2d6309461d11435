-- Changes of a log on their way into a target.
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE FUNCTION changes(text) RETURNS text LANGUAGE c AS :'module', 'test_changes';
CREATE TABLE changed (id text COLLATE "C" PRIMARY KEY, data jsonb, _synced_at timestamptz,
                      CHECK (data->>'v' IS DISTINCT FROM 'refused'));
CREATE FUNCTION rows() RETURNS text LANGUAGE sql AS
    $$ SELECT coalesce(string_agg(id || '=' || coalesce(data->>'v', '-'), ' ' ORDER BY id), '') FROM public.changed $$;

SELECT plan(17);
SELECT is(changes(E'insert 1 a\ninsert 2 b\ninsert 3 c'), '', 'inserts');
SELECT is(changes(E'update 1 a 1 A\nupdate 2 b 4 B\ndelete 3 c'), '', 'an update, one of a key, a delete');
SELECT is(rows(), '1=A 4=B', 'are all there');

SELECT is(changes('put 1 x'), '', 'a put of a row that is there');
SELECT is(rows(), '1=x 4=B', 'replaces it');
SELECT is(changes('put 5 y'), '', 'a put of one that is not');
SELECT is(rows(), '1=x 4=B 5=y', 'makes it');
SELECT is(changes(E'put 6 a\nput 6 b\ndelete 5\nput 5 z\nput 4 q\ndelete 4 -'), '', 'of several changes of a key');
SELECT is(rows(), '1=x 5=z 6=b', 'the last one counts');
SELECT is(changes('delete 1 -'), '', 'a delete that knows the key alone');
SELECT is(rows(), '5=z 6=b', 'takes the row away');
SELECT is(changes('delete 1 -'), '', 'and does nothing where there is none');

SELECT is(changes(E'put 5 refused\nput 7 ok'), '5:23514 ', 'a put that the target refuses is one alone');
SELECT is(rows(), '5=z 6=b 7=ok', 'and the row stays as it was');
SELECT is(changes(E'unreadable 6 -\nput 7 better'), '6:22000 ', 'nor can one be written that cannot be read');
SELECT is(changes(E'unreadable 6 -\nput 6 c'), '', 'which a later one of its key makes up for');
SELECT is(rows(), '5=z 6=c 7=better', 'so that it is as it is now');
SELECT * FROM finish();
