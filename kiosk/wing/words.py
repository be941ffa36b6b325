"""Every English string of the kiosk: the sources of its translations, grouped by screen.

Questions and their options are not here: they come from the form's definition. A string in
braces is filled in after it was translated. Sentences are short, and meant for a reader of nine.
"""

from __future__ import annotations

# On every screen

SERVICE = "Talk It Through"
HELP_NOW = "Help now"
HIDE = "Hide"
STOP = "Stop"
LISTEN = "Listen"
LANGUAGE = "Language"
BACK = "Back"
SKIP = "Skip"
GO_ON = "Go on"
BIGGER = "Bigger words"
SMALLER = "Smaller words"
DARK = "Dark screen"
LIGHT = "Light screen"
STEP = "Step {step} of {steps}"
SKIP_TO_QUESTION = "Go to the question"
TOOLS = "Buttons that are always here"
TIME_NEARLY_UP = "This screen will clear soon. Send it now, or use paper."

# The voice

PLAY_AGAIN = "Play again"
STOP_VOICE = "Stop the voice"
LOUDER = "Louder"
QUIETER = "Quieter"
NO_VOICE = "There is no voice in this language yet."

# K0 Rest

REST_HELLO = "What do you want to do?"
REST_ASK = "Ask for help to sort something out"
REST_CHECK = "Check my form"
REST_ABOUT = "What is this?"
WIPED = "That took a long time. We wiped the answers. You can start again."

# K1 Language

LANGUAGE_TITLE = "Pick your language"

# What is this?

ABOUT_TITLE = "What is this?"
ABOUT_HELP = "Did you have a fight or a row? We help you sort it out."
ABOUT_CHOICE = "You choose. No one can make you do it."
ABOUT_WAYS = "You can meet, pass on words, or write a letter."
ABOUT_PRIVATE = "We keep it private. But we must tell staff about danger."
ABOUT_STOP = "You can stop at any time."

# K2 Private?

PRIVATE_TITLE = "Can someone see this screen?"
PRIVATE_WAYS = "You can go on here. You can use paper. Or we can come to you."
PRIVATE_GO_ON = "Go on here"
PRIVATE_PAPER = "Use paper"
PRIVATE_COME = "Come to me"

# Use paper

PAPER_TITLE = "Use paper"
PAPER_ASK = "Ask for a Talk It Through form."
PAPER_FILL = "Fill it in when no one can see."
PAPER_HELP = "You can ask someone to help you."
PAPER_BOX = "Fold it. Put it in the Talk It Through box."

# K3 Danger

DANGER_TITLE = "Are you in danger now?"
DANGER_SELF = "Or do you think of hurting yourself?"
DANGER_YES = "Yes"
DANGER_NO = "No"
DANGER_NOT_SURE = "Not sure"

# K3a Help now

HELP_TITLE = "Get help now"
HELP_OFFICER = "Tell an officer now."
HELP_BELL = "Press your cell bell."
HELP_LISTENER = "Ask for a Listener."
HELP_SAMARITANS = "Phone the Samaritans. It is free. Call 116 123."
HELP_NOT_WATCHED = "No one looks at this screen at night."
ALERT_SENT = "We sent word to staff. Tell an officer as well."
ALERT_FAILED = "We could not send word to staff. Tell an officer now."

# K4 Who am I

NUMBER_WHERE = "It is on your ID card."
NUMBER_LIKE = "It looks like {example}."
NUMBER_LETTER = "Press a letter"
NUMBER_DIGIT = "Press a number"
NUMBER_FULL = "Is it right? Then press Go on."
NUMBER_FULL_SEND = "Is it right? Then press Send it."
NUMBER_SHAPE = "It has 1 letter, then 4 numbers, then 2 letters."
NUMBER_SHORT = "Your number is not all there yet."
NUMBER_SO_FAR = "Your number so far"
NUMBER_UNKNOWN = "I do not know my number"
NUMBER_HELP_TITLE = "You do not know your number"
NUMBER_HELP_CARD = "Look at your ID card."
NUMBER_HELP_STAFF = "Or ask an officer for your number."
NUMBER_HELP_PAPER = "Or use the paper form. Your name will do there."
RUB_OUT = "Rub out"
COME_TITLE = "We will come to you"
COME_NEED = "We only need your number."
SEND = "Send it"

# K5 to K10 The questions

PICK_ONE = "Press one."
PICK_ANY = "Press any. Then press Go on."
NONE_OF_THESE = "None of these"
NICKNAME = "A nickname is fine."
NICKNAME_LONG = "That is too long. Please make it shorter."
YOUR_WORD = "Your word"
SPACE = "Space"
MORE_LETTERS = "More letters"
FIRST_LETTERS = "First letters"
OTHER_LANGUAGE = "Another language"
PLEASE_NOTE = "Do you want any of these?"

# K11 Rules

RULES_TITLE = "Good to know"
RULES_TICK = "Press each one when you know it."
RULE_CHOICE = "It is my choice. No one makes me."
RULE_STOP = "I can stop at any time."
RULE_REP = "A rep is a prisoner, not staff."

# K12 Check

CHECK_TITLE = "Is this right?"
CHECK_CHANGE = "Press one to change it."
CHANGE = "Change"
NOT_ANSWERED = "Not answered"
PICKED = "{count} picked"

# K13 Done

DONE_TITLE = "We have it"
DONE_CODE = "Your code"
DONE_DATE = "We will see you by"
DONE_KEEP = "Write down the code. It lets you check your form."
DONE_NO_TOPIC = "The code does not say what it is for."
DONE_CLEARS = "This screen will clear soon."
DONE_CLEAR = "Clear the screen"
MORE_TIME = "More time"

# S1 to S3 Check my form

CODE_TITLE = "Put in your code"
CODE_SHAPE = "It has 8 letters and numbers."
CODE_WHERE = "You got it when you sent your form."
CODE_SO_FAR = "Your code so far"
CODE_WRONG = "We do not know that code. Look at it again."
CODE_WAIT = "That code was tried too often. Wait a while."
CODE_STAFF = "You can ask staff, or use paper."
CODE_SHORT = "Your code is not all there yet."
STATUS_TITLE = "Your form"
STATUS_RECEIVED = "We have your form."
STATUS_READING = "We are reading your form."
STATUS_VISIT = "Someone will come to see you."
STATUS_WORKING = "We are working on it with you."
STATUS_FINISHED = "We have finished."
STATUS_BY = "By {date}"
STATUS_LATE = "We are late. We are sorry. We will still come."
STATUS_AWAY = "We cannot look now. Please try later, or ask staff."
STOP_REQUEST = "Stop my request"
SEE_ME = "I have more to say: come and see me"
WITHDRAW = "I take back my yes"
STOP_SURE = "Do you want us to stop?"
STOP_MEANS = "We will not do more. Someone may see you, to check you are OK."
SEE_ME_SURE = "Do you want us to come and see you?"
SEE_ME_MEANS = "You can tell us more when we come."
WITHDRAW_SURE = "Do you want to take back your yes?"
WITHDRAW_MEANS = "We will stop what you said yes to. You do not have to say why."
YES_DO = "Yes, do it"
NO_GO_BACK = "No, go back"
WORD_TITLE = "We have it"
WORD_STOP = "You asked us to stop. We will do that."
WORD_COME = "You asked us to come. We will see you."
WORD_WITHDRAW = "You took back your yes. We will stop."

# Hide: nothing here says what the screen is for

COVER_TITLE = "Sleep well"
COVER_BED = "Go to bed at the same time each night."
COVER_TEA = "Drink less tea and coffee at night."
COVER_WALK = "Walk in the day, if you can."
COVER_BREATHE = "Breathe in and out, slow and deep."

# Time

IDLE_TITLE = "Do you need more time?"
IDLE_WIPE = "If not, we will wipe this screen."
IDLE_YES = "Yes, more time"
IDLE_NO = "No, wipe it"

# When something is wrong

GONE_TITLE = "This screen does not work now"
GONE_PAPER = "Please use the paper form."
GONE_NOT_SENT = "No code? Then we did not get it."
NOT_KEPT_TITLE = "We did not get it"
NOT_KEPT_WHY = "Something here does not work. Your form was not sent."
NOT_KEPT_WORD = "Something here does not work. We did not get your words."
NOT_KEPT_DO = "Try again. Or use the paper form, and tell staff."
TRY_AGAIN = "Try again"
WRONG_TITLE = "Something went wrong"
WRONG_DO = "Please start again, or use the paper form."
START_AGAIN = "Start again"
NOT_ENROLLED_TITLE = "This screen is not set up yet"
NOT_ENROLLED_DO = "Please use the paper form, and tell staff."

# Days

MONDAY = "Monday"
TUESDAY = "Tuesday"
WEDNESDAY = "Wednesday"
THURSDAY = "Thursday"
FRIDAY = "Friday"
SATURDAY = "Saturday"
SUNDAY = "Sunday"
JANUARY = "January"
FEBRUARY = "February"
MARCH = "March"
APRIL = "April"
MAY = "May"
JUNE = "June"
JULY = "July"
AUGUST = "August"
SEPTEMBER = "September"
OCTOBER = "October"
NOVEMBER = "November"
DECEMBER = "December"
DATE = "{weekday} {day} {month}"

WEEKDAYS = (MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY)
MONTHS = (
    JANUARY,
    FEBRUARY,
    MARCH,
    APRIL,
    MAY,
    JUNE,
    JULY,
    AUGUST,
    SEPTEMBER,
    OCTOBER,
    NOVEMBER,
    DECEMBER,
)

CONSENT = frozenset({RULE_CHOICE, RULE_STOP, RULE_REP})
"""Wording of consent: shown in English, with the offer of an interpreter, until its
translation is approved. So is the label of the form's `know_limits`."""


def every() -> tuple[str, ...]:
    """Give every string to translate, in the order of the screens."""
    return tuple(
        dict.fromkeys(v for k, v in globals().items() if k.isupper() and isinstance(v, str))
    )
