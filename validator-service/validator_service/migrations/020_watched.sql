-- What is watched: counted where the work is written down, so that it is right however many
-- processes work, and whichever of them is killed.

CREATE TABLE server_tally (
    uid INTEGER NOT NULL,
    code TEXT NOT NULL,
    total BIGINT NOT NULL,
    PRIMARY KEY (uid, code)
);

-- What each Server's newest round was worth, how much of it by synergy, and whom it answered like.
CREATE TABLE server_round (
    uid INTEGER PRIMARY KEY,
    hotkey TEXT NOT NULL,
    number BIGINT NOT NULL,
    worth DOUBLE PRECISION NOT NULL,
    synergy DOUBLE PRECISION NOT NULL,
    cluster_uid INTEGER
);

-- Two histograms of jobs, waiting and run time: how many took up to a bound and more than the one
-- before it.
CREATE TABLE job_time (
    job TEXT NOT NULL,
    measure TEXT NOT NULL CHECK (measure IN ('wait', 'run')),
    outcome TEXT NOT NULL,
    bound DOUBLE PRECISION NOT NULL,
    total BIGINT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (job, measure, outcome, bound)
);
