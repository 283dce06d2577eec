"""Filters and tests for the template goldens, like template_expressions.EXPRESSIONS."""

FILTERS = """
missing|default('d')
empty|default('d')
empty|default('d', true)
nil|default('d')
nil|d('d', boolean=true)
missing|default
missing|length
list|length
user|count
uni|length
5|length
none|length
name|upper
name|lower
5|upper
nil|upper
uni|upper
text|trim
'xxaxx'|trim('x')
5|trim
missing|trim
name|capitalize
'hello wORLD-foo (bar) [baz] {q} <t> x.y'|title
uni|title
words|join(', ')
words|join
list|join('-')
people|join(', ', attribute='name')
people|join(attribute='city.zip')
missing|join
5|join
'abc'|join('.')
name|replace('A', 'E')
5|replace('5', '6')
'aaaa'|replace('a', 'b', 2)
'abc'|replace('', '-')
list|first
list|last
[]|first
[]|last
missing|first
missing|last
'abc'|first
'abc'|last
user|first
5|first
([]|first) is defined
list|sort
list|sort(reverse=true)
words|sort
words|sort(case_sensitive=true)
people|sort(attribute='age')|map(attribute='name')|list
people|sort(attribute='age,name')|map(attribute='name')|list
people|sort(attribute='city.zip')|map(attribute='name')|join
people|sort(reverse=true, attribute='age')|map(attribute='name')|join
[1, 'a']|sort
[3, none]|sort
user|sort
'cab'|sort
words|unique|list
words|unique(true)|list
people|unique(attribute='age')|map(attribute='name')|list
[[1]]|unique|list
list|min
list|max
words|min
words|max
[]|min
people|max(attribute='age')
list|sum
people|sum(attribute='age')
list|sum(start=10)
[]|sum
words|sum
[0.1, 0.2]|sum
list|reverse|list
name|reverse
5|reverse
'abc'|list
user|list
missing|list
5|list
user|items|list
missing|items|list
5|items|list
mixed|dictsort
mixed|dictsort(true)
mixed|dictsort(false, 'key', true)
{'a': 2, 'b': 1}|dictsort(by='value')
mixed|dictsort(by='x')
list|dictsort
missing|dictsort
words|map('upper')|list
words|map('replace', 'p', 'b')|list
people|map(attribute='name')|list
people|map(attribute='city.zip')|list
people|map(attribute='nope')|list
people|map(attribute='nope', default='?')|list
nested|map(attribute=0)|list
nested|map('first')|list
words|map|list
words|map('nofilter')|list
words|map(nofilter)|list
missing|map('upper')|list
list|select('odd')|list
list|select('gt', 1)|list
list|reject('odd')|list
list|select|list
none_list|select|list
none_list|reject|list
words|select('equalto', 'fig')|list
words|select('in', ['fig', 'pear'])|list
people|selectattr('age', 'equalto', 20)|map(attribute='name')|list
people|selectattr('age')|list|length
people|rejectattr('age', 'gt', 20)|map(attribute='name')|list
people|selectattr('nope', 'undefined')|list|length
people|selectattr('nope')|list
people|selectattr|list
list|select('nope')|list
words|select('string')|list
list|map('string')|join('+')
list|batch(2)|list
list|batch(2, 'x')|list
[1,2,3,4,5]|slice(2)|list
[1,2,3,4,5]|slice(3, 'x')|list
people|groupby('age')
people|groupby('age')|map(attribute='grouper')|list
words|groupby(0)|list
'42'|int
'42.9'|int
'x'|int
'x'|int(7)
'0x1f'|int(base=16)
'ff'|int(0, 16)
' 42 '|int
'1_000'|int
2.9|int
-2.9|int
nil|int
missing|int
list|int
true|int
'1e3'|int
'42'|float
'4.5e1'|float
'x'|float
'x'|float(1.5)
' inf '|float
'nan'|float
nil|float
3|float
-5|abs
-2.5|abs
'x'|abs
2.5|round
3.5|round
2.567|round(2)
2.567|round(1, 'floor')
2.51|round(1, 'ceil')
1234|round(-2)
1250.0|round(-2)
5|round
-2.5|round
2.675|round(2)
'x'|round
2.5|round(method='nope')
1.5|string
nil|string
list|string
html|escape
html|e|e
html|forceescape
html|safe
(html|safe) + '<b>'
(html|escape) ~ '<b>'
('<i>'|safe).upper() + '<'
['<i>'|safe]
5|escape
lines|indent
lines|indent(2, true)
lines|indent(2, blank=true)
lines|indent('> ')
5|indent
'foo bar baz qux'|truncate(9)
'foo bar baz qux'|truncate(9, true)
'foo bar baz qux'|truncate(11)
'foo bar baz qux'|truncate(11, false, '..', 0)
'abc'|truncate(1)
'hello world, it is_me'|wordcount
uni|wordcount
'ab'|center(6) ~ '|'
'%s-%s'|format('a', 1)
'%(x)s'|format(x=5)
'%s'|format(1, x=2)
user|attr('name')
user|attr('keys')
name|attr('upper')
'a b&c/ü'|urlencode
{'a b': 1, 'c': 'd&e'}|urlencode
{'class': 'a"b', 'id': none}|xmlattr
1000|filesizeformat
1500000|filesizeformat
1024|filesizeformat(true)
1|filesizeformat
user|tojson
mixed|tojson
mixed|tojson(ensure_ascii=true)
uni|tojson
uni|tojson(ensure_ascii=true)
html|tojson
'\\x00\\x1f\\x7f\\u2028"\\\\/'|tojson
none_list|tojson
[]|tojson(indent=2)
{}|tojson(indent=2)
{'a': [1, {'b': []}], 'c': {}}|tojson(indent=2)
{'a': [1, 2]}|tojson(indent=0)
{'a': [1, 2]}|tojson(indent='--')
{'b': 1, 'a': 2}|tojson(sort_keys=true)
{'b': 1, 'a': [1, 2]}|tojson(separators=(',', ':'))
{'b': 1, 'a': [1, 2]}|tojson(separators=(';', '='), indent=1)
{1: 2, none: 3, true: 4, 1.5: 5}|tojson
{(1, 2): 3}|tojson
missing|tojson
range(3)|tojson
user.keys()|tojson
(1, 2)|tojson
1e100|tojson
huge|tojson
'1e400'|float|tojson
name|nofilter
name|upper|nofilter if no else 'fine'
name is notest
n is odd
n is even
n is divisibleby 7
n is divisibleby(2)
n is not odd
missing is defined
name is defined
missing is undefined
nil is none
yes is boolean
yes is true
no is false
1 is true
n is integer
yes is integer
f is float
f is number
yes is number
name is string
user is mapping
list is sequence
name is sequence
user is sequence
missing is sequence
5 is sequence
range(3) is sequence
list|map('upper') is sequence
list is iterable
user is iterable
name is iterable
5 is iterable
missing is iterable
nil is iterable
'abc' is lower
'ABC' is upper
'aBC' is upper
range is callable
name is callable
name.upper is callable
n is sameas 7
yes is sameas true
1 is sameas true
list is sameas list
n is eq 7
n is equalto(7)
n is ne 7
n is gt 5
n is ge 7
n is lt 5
n is le 7
n is greaterthan 5
n is lessthan 5
n is in [7, 8]
'd' is in name
html|safe is escaped
'upper' is filter
'nope' is filter
'odd' is test
name is defined and name is string
not name is string
name is string == true
n is none or n is odd
(n is odd) ~ ''
n is odd is even
""".strip("\n").split("\n")
