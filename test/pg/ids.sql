-- The text of a row's key: one test a row of docs/user/types.md, "The id column", and what sets them apart.
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE FUNCTION test_id(style text, vals text[]) RETURNS text LANGUAGE c STRICT AS :'module';
CREATE FUNCTION test_ids_differ(seed bigint, keys int) RETURNS text LANGUAGE c STRICT AS :'module';
CREATE FUNCTION sha256_id(id text) RETURNS text LANGUAGE sql
    RETURN 'sha256:' || encode(sha256(convert_to(id, 'UTF8')), 'hex');
SELECT * FROM no_plan();

SELECT is(test_id(style, ARRAY[given]), expected, format('%s in a column of %s', given, style)) FROM (VALUES
    -- integer, decimal, double: the number's text as in data
    ('any', 'int:7', '7'), ('any', 'int:-9223372036854775808', '-9223372036854775808'),
    ('any', 'uint:18446744073709551615', '18446744073709551615'), ('any', 'decimal:1.50', '1.50'), ('any', 'decimal:007', '7'),
    ('any', 'decimal:-0.0', '0.0'), ('any', 'decimal:.5', '0.5'), ('any', 'decimal:1e3', '1000'), ('any', 'decimal:5.', '5'),
    ('any', 'double:5', '5.0'), ('any', 'double:1e20', '100000000000000000000.0'), ('any', 'double:1.5e-7', '0.00000015'),
    ('any', 'float:0.1', '0.1'), ('any', 'double:-2.25', '-2.25'),
    -- string of a column that holds strings only
    ('strings', 'text:a b', 'a b'), ('strings', 'text:', ''), ('strings', 'text:7', '7'), ('strings', 'text:true', 'true'),
    ('strings', 'text:{', '"{"'), ('strings', 'text:[1]', '"[1]"'), ('strings', 'text:"q"', '"\"q\""'),
    ('strings', 'text:sha256:x', '"sha256:x"'), ('strings', 'text:a"b', 'a"b'),
    ('strings', 'text:0123456789abcdef01234567', '0123456789abcdef01234567'),
    -- string where other types are possible
    ('any', 'text:a b', 'a b'), ('any', 'text:', ''), ('any', 'text:7', '"7"'), ('any', 'text:-1.5e+3', '"-1.5e+3"'),
    ('any', 'text:01', '01'), ('any', 'text:1.', '1.'), ('any', 'text:+1', '+1'), ('any', 'text:true', '"true"'),
    ('any', 'text:null', '"null"'), ('any', 'text:nulls', 'nulls'), ('any', 'text:{', '"{"'), ('any', 'text:[', '"["'),
    ('any', 'text:"', '"\""'), ('any', 'text:sha256:', '"sha256:"'), ('any', 'text:sha256', 'sha256'),
    ('any', 'text:0123456789abcdef01234567', '"0123456789abcdef01234567"'),
    ('any', 'text:0123456789ABCDEF01234567', '"0123456789ABCDEF01234567"'),
    ('any', 'text:0123456789abcdef0123456', '0123456789abcdef0123456'), ('any', 'text:\x00', '\x00'),
    ('any', 'texthex:610a62', E'a\nb'), ('any', 'texthex:7b0a01', '"{\n\u0001"'),
    -- MySQL BINARY, VARBINARY, BLOB, BIT
    ('hex', 'bytes:00ff', '\x00ff'), ('hex', 'bytes:', '\x'), ('hex', 'uint:5', '5'), ('hex', 'text:\x00', '"\\x00"'),
    -- date and time types: their text
    ('strings', 'text:2024-01-31T10:20:30.123456', '2024-01-31T10:20:30.123456'),
    -- boolean, null
    ('any', 'bool:true', 'true'), ('any', 'bool:false', 'false'),
    -- any other value: its tagged JSON, compact
    ('any', 'bytes:00ff', '{"$binary":{"base64":"AP8=","subType":"00"}}'),
    ('any', 'texthex:61ff', '{"$binary":{"base64":"Yf8=","subType":"00"}}'),
    ('any', 'double:inf', '{"$numberDouble":"Infinity"}'), ('any', 'double:-0.0', '{"$numberDouble":"-0.0"}'),
    ('any', 'tag:$date', '{"$date":1}'), ('any', 'object:a b: c', '{"a b: c":1}'), ('any', 'object:q"\', '{"q\"\\":1}'),
    ('any', 'object:$oid', '{"$literal":{"$oid":1}}')
) AS single(style, given, expected);

SELECT is(test_id('any', given), expected, 'several columns: ' || given::text) FROM (VALUES
    ('{text:a,int:2}'::text[], '["a",2]'), ('{int:2,text:a}', '[2,"a"]'), ('{text:7,text:true}', '["7","true"]'),
    ('{decimal:1.50,double:5}', '[1.50,5.0]'), ('{texthex:220a5c,bytes:00}', '["\"\n\\",{"$binary":{"base64":"AA==","subType":"00"}}]'),
    ('{"text:a\",\"b",text:c}', '["a\",\"b","c"]'), ('{text:a,"text:b\",\"c"}', '["a","b\",\"c"]')
) AS several(given, expected);
SELECT is(test_id('any', '{null:}'), '{"rowid":42}', 'a null key is the rowid');
SELECT is(test_id('any', '{text:a,null:}'), '{"rowid":42}', 'a key with a null is the rowid');
SELECT is(test_id('any', '{"text:{\"rowid\":42}"}'), '"{\"rowid\":42}"', 'a string that looks like one is quoted');

SELECT is(test_id('any', ARRAY['text:' || repeat('k', 1024)]), repeat('k', 1024), '1,024 bytes are kept');
SELECT is(test_id('any', ARRAY['text:' || repeat('k', 1025)]), sha256_id(repeat('k', 1025)), '1,025 bytes are hashed');
SELECT is(test_id('any', ARRAY['text:{' || repeat('k', 1022)]), sha256_id('"{' || repeat('k', 1022) || '"'),
          'what counts is the length with quotes');
SELECT is(test_ids_differ(seed, 20000), NULL, format('different keys have different ids: seed %s', seed))
FROM generate_series(1, 3) AS seed;

SELECT * FROM finish();
