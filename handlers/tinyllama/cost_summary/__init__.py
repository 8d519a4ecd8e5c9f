"""The function that mails each morning what the account has cost, without Cost Explorer."""
