"""What any package may use: command lines, errors, files, progress, words, trees."""
