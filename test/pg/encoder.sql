-- The encoder's jsonb: equal to jsonb_in's of an independent text, byte for byte, and to the words of docs/user/types.md.
-- More cases, or one that failed: psql -v seed=4711 -v cases=100000.
\if :{?seed} \else \set seed 1 \endif
\if :{?cases} \else \set cases 4000 \endif
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE FUNCTION test_encoder(seed bigint, cases int) RETURNS text LANGUAGE c STRICT AS :'module';
CREATE FUNCTION test_data(names text[], vals text[]) RETURNS jsonb LANGUAGE c STRICT AS :'module';
CREATE FUNCTION test_tagged(names text[], vals text[]) RETURNS int LANGUAGE c STRICT AS :'module';
CREATE FUNCTION test_refused(what text, size bigint DEFAULT 0) RETURNS text LANGUAGE c STRICT AS :'module';
CREATE FUNCTION test_kept_bytes(size bigint) RETURNS bigint LANGUAGE c STRICT AS :'module';
CREATE FUNCTION test_layout(what text) RETURNS text LANGUAGE c STRICT AS :'module';
CREATE FUNCTION one(val text) RETURNS text LANGUAGE sql RETURN test_data('{v}', ARRAY[val])->>'v';
SELECT * FROM no_plan();

SELECT is(test_encoder(:seed, :cases), NULL, format('%s generated cases from seed %s are as jsonb_in has them', :cases, :seed));
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint % 1000000007 AS today \gset
SELECT is(test_encoder(:today, 1000), NULL, format('so have 1000 from seed %s, which is another each time', :today));

-- Numbers
SELECT is(one(given), expected, given) FROM (VALUES
    ('int:0', '0'), ('int:-9223372036854775808', '-9223372036854775808'), ('int:9223372036854775807', '9223372036854775807'),
    ('uint:18446744073709551615', '18446744073709551615'), ('double:5', '5.0'), ('double:-5', '-5.0'), ('double:0', '0.0'),
    ('double:1e20', '100000000000000000000.0'), ('double:1e16', '10000000000000000.0'), ('double:0.1', '0.1'),
    ('double:0.30000000000000004', '0.30000000000000004'), ('double:123456.75', '123456.75'),
    ('double:5e-324', '0.' || repeat('0', 323) || '5'),
    ('double:1.7976931348623157e308', '17976931348623157' || repeat('0', 292) || '.0'),
    ('float:0.1', '0.1'), ('float:16777216', '16777216.0'), ('float:3.4028235e38', '340282350000000000000000000000000000000.0'),
    ('decimal:1.50', '1.50'), ('decimal:-0.00', '0.00'), ('decimal:007.10', '7.10'), ('decimal:1e3', '1000'),
    ('decimal:1.5e-3', '0.0015'), ('decimal:' || repeat('9', 65), repeat('9', 65)),
    ('decimal:0.' || repeat('0', 2000) || '1', '0.' || repeat('0', 2000) || '1')
) AS number(given, expected);

-- What jsonb cannot hold directly, and what would look as if it were that
SELECT is(test_data('{v}', ARRAY[given])->'v', expected::jsonb, given) FROM (VALUES
    ('double:nan', '{"$numberDouble": "NaN"}'), ('double:inf', '{"$numberDouble": "Infinity"}'),
    ('double:-inf', '{"$numberDouble": "-Infinity"}'), ('double:-0.0', '{"$numberDouble": "-0.0"}'),
    ('float:nan', '{"$numberDouble": "NaN"}'), ('float:-0.0', '{"$numberDouble": "-0.0"}'),
    ('bytes:', '{"$binary": {"base64": "", "subType": "00"}}'), ('bytes:00', '{"$binary": {"base64": "AA==", "subType": "00"}}'),
    ('bytes:00ff', '{"$binary": {"base64": "AP8=", "subType": "00"}}'),
    ('bytes:00ff10', '{"$binary": {"base64": "AP8Q", "subType": "00"}}'),
    ('texthex:610062', '{"$binary": {"base64": "YQBi", "subType": "00"}}'),
    ('texthex:61ff', '{"$binary": {"base64": "Yf8=", "subType": "00"}}'),
    ('texthex:eda080', '{"$binary": {"base64": "7aCA", "subType": "00"}}'),
    ('texthex:c3a9', '"é"'), ('text:', '""'), ('null:', 'null'), ('bool:true', 'true'),
    ('object:$oid', '{"$literal": {"$oid": 1}}'), ('object:$literal', '{"$literal": {"$literal": 1}}'),
    ('object:$other', '{"$other": 1}'), ('tag:$oid', '{"$oid": 1}'), ('repeated:k', '{"k": 2}'),
    ('repeated:$date', '{"$literal": {"$date": 2}}')
) AS awkward(given, expected);
SELECT is(test_data('{$binary}', '{int:1}'), '{"$literal": {"$binary": 1}}', 'a row that looks tagged is wrapped');
SELECT is(test_data('{$literal}', '{int:1}'), '{"$literal": {"$literal": 1}}', 'a row that looks wrapped is wrapped');
SELECT is(test_data('{$binary,b}', '{int:1,int:2}'), '{"$binary": 1, "b": 2}', 'a tag beside another key is no tag');
SELECT is(test_data('{}', '{}'), '{}', 'a row whose columns are all outside data is an empty object');
SELECT is(test_tagged(ARRAY[name], ARRAY[given]), expected, format('%s of column %s counts %s', given, name, expected))
FROM (VALUES ('a', 'int:1', 0), ('a', 'text:x', 0), ('a', 'double:5', 0), ('a', 'double:nan', 1), ('a', 'double:-0.0', 1),
             ('a', 'bytes:00', 1), ('a', 'texthex:ff', 1), ('a', 'object:$oid', 1), ('a', 'tag:$oid', 1), ('$oid', 'int:1', 1),
             ('$oid', 'bytes:00', 2), ('a', 'repeated:k', 1), ('a', 'object:k', 0)) AS counted(name, given, expected);

-- What no jsonb holds. The row before and the row after are checked inside.
SELECT is(test_refused(what, size), sqlstate, format('%s of %s', what, size)) FROM (VALUES
    ('text', 268435456, '54000'), ('bytes', 210000000, '54000'), ('row', 268435452, 'stored'), ('row', 268435456, '54000'),
    ('elements', 16777217, '54000'), ('members', 8388609, '54000'), ('depth', 1000, 'stored'), ('depth', 1001, '54001'),
    ('decimal', 131072, 'stored'), ('decimal', 131073, '22003'), ('1e131071', 0, 'stored'), ('1e131072', 0, '22003'),
    ('1e-16383', 0, 'stored'), ('1e-16384', 0, '22003'), ('0e-16384', 0, '22003'), ('0e99999', 0, 'stored'),
    ('0e2000000000', 0, '22P02'), ('1e99999999999999999999', 0, '22P02'), ('NaN', 0, '22P02'), ('1.', 0, 'stored'),
    ('.', 0, '22P02'), ('-', 0, '22P02'), ('1e', 0, '22P02'), ('1e+', 0, '22P02'), ('1.2.3', 0, '22P02'), (' 1', 0, '22P02'),
    ('1x', 0, '22P02'), ('0x10', 0, '22P02'), ('bad key', 0, '22P05'), ('bad key, deep', 0, '22P05'),
    ('cut document', 0, 'XX000'), ('two values', 0, 'XX000'), ('no value', 0, 'XX000'), ('loose container', 0, 'XX000')
) AS limits(what, size, sqlstate);
SELECT ok(test_kept_bytes(50000000) < 5000000, 'a huge row does not leave a huge buffer behind');

SELECT * FROM finish();
