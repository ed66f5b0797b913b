lock table users in row exclusive mode
