-- What an account did and what came to it, found without reading the chain. An address is looked
-- for by its 32-bit hash: such an index is a third as large, and every transfer writes it.

CREATE INDEX extrinsic_of_signer ON extrinsic (hashtext(body ->> 'signer'), height, index);
CREATE INDEX event_of_receiver ON event (hashtext(body ->> 'receiver'), height, index)
    WHERE kind = 'Transferred';
CREATE INDEX event_of_account ON event USING gin (accounts_of(body))
    WHERE kind IN ('Registered', 'Pruned', 'StakeAdded', 'StakeRemoved', 'HotkeySwapped');
