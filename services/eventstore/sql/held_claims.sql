-- Which of these claims are somebody's.
select key from claims where key = any(%s)
