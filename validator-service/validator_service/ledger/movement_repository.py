"""
The three statements that every paid call runs, each a whole movement of money by itself.

All lock the account first and the key after it, so that no two wait for each other.
"""

RESERVE = """
WITH allowed AS (
  SELECT account.address, api_key.id FROM account JOIN api_key ON account = address
  WHERE address = %(account)s AND api_key.id = %(key_id)s
    AND balance_rao - account.reserved_rao >= %(amount_rao)s
    AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    AND (cap_rao IS NULL OR spent_rao + api_key.reserved_rao + %(amount_rao)s <= cap_rao)
  FOR UPDATE OF account, api_key
), noted AS (
  INSERT INTO call
    (request_id, account, key_id, idempotency_key, model, reserved_rao, expires_at)
  SELECT %(request_id)s, address, id, %(idempotency_key)s, %(model)s, %(amount_rao)s,
         now() + make_interval(secs => %(seconds)s)
  FROM allowed ON CONFLICT DO NOTHING RETURNING account, key_id
), held AS (
  UPDATE account SET reserved_rao = reserved_rao + %(amount_rao)s
  FROM noted WHERE address = noted.account RETURNING key_id
)
UPDATE api_key SET reserved_rao = reserved_rao + %(amount_rao)s
FROM held WHERE id = key_id RETURNING id"""

SETTLE = """
WITH done AS (
  UPDATE call SET state = 'settled', cost_rao = %(cost_rao)s,
    prompt_tokens = %(prompt_tokens)s, completion_tokens = %(completion_tokens)s,
    server_uid = %(server_uid)s, server_hotkey = %(server_hotkey)s,
    server_coldkey = %(server_coldkey)s, share_rao = %(share_rao)s
  WHERE request_id = %(request_id)s AND state = 'reserved'
  RETURNING request_id, account, key_id, reserved_rao
), paid AS (
  UPDATE account SET balance_rao = balance_rao - %(total_rao)s,
    reserved_rao = account.reserved_rao - done.reserved_rao
  FROM done WHERE address = done.account RETURNING key_id, done.reserved_rao AS freed
), counted AS (
  UPDATE api_key SET spent_rao = spent_rao + %(total_rao)s, reserved_rao = reserved_rao - freed
  FROM paid WHERE id = key_id
), booked AS (
  INSERT INTO transfer (kind, reference, debit, credit, amount_rao)
  SELECT 'usage', request_id, account, 'revenue', %(total_rao)s FROM done WHERE %(total_rao)s > 0
  UNION ALL
  SELECT 'share', request_id, 'revenue', 'server:' || %(server_coldkey)s, %(share_rao)s FROM done
  WHERE %(share_rao)s > 0
)
SELECT request_id FROM done"""

SHARE_ALSO = """
WITH noted AS (
  INSERT INTO call (request_id, account, key_id, model, state, reserved_rao, expires_at, cost_rao,
    prompt_tokens, completion_tokens, server_uid, server_hotkey, server_coldkey, share_rao)
  SELECT request_id || '-' || %(place)s, account, key_id, model, 'settled', 0, now(),
    %(cost_rao)s, prompt_tokens, completion_tokens, %(server_uid)s, %(server_hotkey)s,
    %(server_coldkey)s, %(share_rao)s
  FROM call WHERE request_id = %(request_id)s AND state = 'settled'
  ON CONFLICT DO NOTHING RETURNING request_id
)
INSERT INTO transfer (kind, reference, debit, credit, amount_rao)
SELECT 'share', request_id, 'revenue', 'server:' || %(server_coldkey)s, %(share_rao)s FROM noted
WHERE %(share_rao)s > 0"""
"""A further Server's part, as a row of its own: it is paid like a call."""

RELEASE = """
WITH done AS (
  UPDATE call SET state = 'released', idempotency_key = NULL
  WHERE request_id = %(request_id)s AND state = 'reserved'
  RETURNING account, key_id, reserved_rao
), freed AS (
  UPDATE account SET reserved_rao = account.reserved_rao - done.reserved_rao
  FROM done WHERE address = done.account RETURNING key_id, done.reserved_rao AS amount
)
UPDATE api_key SET reserved_rao = reserved_rao - amount FROM freed WHERE id = key_id RETURNING id"""
