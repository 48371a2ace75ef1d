-- By which generation of mobile network a SIM was connected when somebody was told of that last; null: nothing has told.
alter table sim_standing add column generation text;
